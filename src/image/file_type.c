/* file_type.c - what a file is that is not what it should be, said in words, with what to do about it. People's folders
 * hold web pages saved as .jpg, pointers of Git LFS, films, documents and models; "not a photo" helps nobody. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "image/codec.h"

static const char save_as_jpeg[] = "open it in an image program and save it as JPEG or PNG";
static const char take_frames[] = "save the frames that you want as JPEG or PNG, with ffmpeg for example";
static const char unpack_first[] = "unpack it and give the photos in it";
static const char leave_out[] = "leave it out";
static const char get_again[] = "get it again";
static const char give_as_model[] = "give it as a model, not as a photo";

/* A fixed beginning, at `at`. */
typedef struct magic {
  uint16_t at;
  uint8_t size;
  const char *bytes;
  const char *name, *cure;
} magic;
#define M(at, bytes, name, cure)                                                                                       \
  { at, sizeof bytes - 1, bytes, name, cure }

static const magic known[] = {
    /* pictures that are not read */
    M(0, "\0\0\0\x0cJXL ", "a JPEG XL picture", save_as_jpeg),
    M(0, "\xff\x0a", "a JPEG XL picture", save_as_jpeg),
    M(0, "\0\0\0\x0cjP  ", "a JPEG 2000 picture", save_as_jpeg),
    M(0, "\xff\x4f\xff\x51", "a JPEG 2000 picture", save_as_jpeg),
    M(0, "8BPS", "a Photoshop document", save_as_jpeg),
    M(0, "gimp xcf", "a GIMP document", save_as_jpeg),
    M(0, "v/1\x01", "an OpenEXR picture", save_as_jpeg),
    M(0, "#?RADIANCE", "a Radiance HDR picture", save_as_jpeg),
    M(0, "#?RGBE", "a Radiance HDR picture", save_as_jpeg),
    M(0, "DDS ", "a DirectDraw texture (DDS)", save_as_jpeg),
    M(0, "qoif", "a QOI picture", save_as_jpeg),
    M(0, "SIMPLE  =", "a FITS picture", save_as_jpeg),
    M(128, "DICM", "a DICOM picture", "save its picture as PNG, with dcm2img or dcmj2pnm for example"),
    M(0, "AT&TFORM", "a DjVu document", save_as_jpeg),
    M(0, "\xd7\xcd\xc6\x9a", "a Windows metafile", save_as_jpeg),
    M(0, "%PDF-", "a PDF document", "save its pages as PNG, with pdftoppm -png for example"),
    M(0, "%!PS", "a PostScript document", save_as_jpeg),
    /* films and sound */
    M(0, "\x1a\x45\xdf\xa3", "a film (Matroska or WebM)", take_frames),
    M(0, "\0\0\x01\xba", "a film (MPEG)", take_frames),
    M(0, "\0\0\x01\xb3", "a film (MPEG)", take_frames),
    M(0, "FLV\x01", "a film (Flash video)", take_frames),
    M(0, "\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a film (Windows Media)", take_frames),
    M(8, "AVI ", "a film (AVI)", take_frames),
    M(8, "WAVE", "a sound file (WAV)", leave_out),
    M(0, "OggS", "a film or sound file (Ogg)", take_frames),
    M(0, "ID3", "a sound file (MP3)", leave_out),
    M(0, "fLaC", "a sound file (FLAC)", leave_out),
    M(0, "RIFF", "a sound or film file (RIFF) of a kind that whisker does not know", leave_out),
    /* what stands where a file should be */
    M(0, "version https://git-lfs.github.com/spec/", "a Git LFS pointer",
      "the file itself is elsewhere: run git lfs pull"),
    M(0, "[InternetShortcut]", "a shortcut to a web address", "open it and save the picture itself"),
    M(0, "data:image/", "a picture written as text (a data: address)", "open it in a browser and save the picture"),
    M(0, "L\0\0\0\x01\x14\x02\0", "a Windows shortcut to a file", "give the file that it points to"),
    M(0, "\0\x05\x16\x07", "what macOS keeps beside a file (AppleDouble)", leave_out),
    M(0,
      "\0\0\0\x01"
      "Bud1",
      "a folder's settings (.DS_Store)", leave_out),
    /* archives; ZIP is looked into */
    M(257, "ustar", "a tar archive", unpack_first),
    M(0, "\x1f\x8b", "a gzip file", unpack_first),
    M(0, "BZh", "a bzip2 file", unpack_first),
    M(0,
      "\xfd"
      "7zXZ\0",
      "an xz file", unpack_first),
    M(0, "\x28\xb5\x2f\xfd", "a Zstandard file", unpack_first),
    M(0, "7z\xbc\xaf\x27\x1c", "a 7-Zip archive", unpack_first),
    M(0, "Rar!\x1a\x07", "a RAR archive", unpack_first),
    /* models and data */
    M(4, "TFL3", "a TensorFlow Lite model", give_as_model),
    M(0, "\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras saves models", give_as_model),
    M(0, "GGUF", "a GGUF model", leave_out),
    M(0, "\x93NUMPY", "a NumPy array", "save its pictures as PNG"),
    M(0, "MATLAB 5.0 MAT-file", "a MATLAB file", "save its pictures as PNG"),
    M(0, "PAR1", "a Parquet table", "save its pictures as files"),
    M(0, "SQLite format 3", "an SQLite database", leave_out),
    /* the rest */
    M(0, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Office document or a folder's thumbnails (Thumbs.db)", leave_out),
    M(0, "{\\rtf", "a text document (RTF)", leave_out),
    M(0,
      "\x7f"
      "ELF",
      "a program", leave_out),
    M(0, "MZ", "a Windows program", leave_out),
    M(0, "#!", "a script", leave_out),
};
#undef M

static bool begins(const uint8_t *b, size_t size, const char *text) {
  size_t n = strlen(text);
  return size >= n && strncasecmp((const char *)b, text, n) == 0;
}

static bool has(const uint8_t *b, size_t size, const char *text) { return memmem(b, size, text, strlen(text)) != NULL; }

/* The names in a ZIP say what it is: those of the first members, and of all where the end is at hand. */
static wk_file_type zip_type(const uint8_t *b, size_t size) {
  enum { REACH = 65536 };
  const size_t head = size < REACH ? size : REACH, tail = size - head < REACH ? size - head : REACH;
  const uint8_t *end = b + size - tail;
#define NAMED(name) (has(b, head, name) || has(end, tail, name))
  if (NAMED("/code/__torch__") || NAMED("constants.pkl"))
    return (wk_file_type){"a TorchScript model", give_as_model};
  if (NAMED("/data.pkl"))
    return (wk_file_type){"a PyTorch file", give_as_model};
  if (NAMED("model.weights.h5"))
    return (wk_file_type){"a Keras model", give_as_model};
  if (NAMED("word/document.xml") || NAMED("ppt/presentation.xml") || NAMED("xl/workbook.xml"))
    return (wk_file_type){"an Office document", "save the pictures in it as files"};
  if (has(b, size < 100 ? size : 100, "mimetypeapplication/"))
    return (wk_file_type){"an OpenDocument file or e-book", "save the pictures in it as files"};
  if (NAMED(".npy"))
    return (wk_file_type){"NumPy arrays (.npz)", "save their pictures as PNG"};
#undef NAMED
  return (wk_file_type){"a ZIP archive", unpack_first};
}

/* ISO media: films, sound and cameras' raw pictures share their outer form with HEIC and AVIF. */
static wk_file_type media_type(const uint8_t *brand) {
  if (memcmp(brand, "M4A ", 4) == 0 || memcmp(brand, "M4B ", 4) == 0)
    return (wk_file_type){"a sound file (M4A)", leave_out};
  if (memcmp(brand, "qt  ", 4) == 0)
    return (wk_file_type){"a film (QuickTime)", take_frames};
  return (wk_file_type){"a film (MP4)", take_frames};
}

/* Text as people have it: UTF-8 or Latin-1, without the control characters that no text has. */
static bool is_text(const uint8_t *b, size_t size) {
  size_t high = 0;
  for (size_t i = 0; i < size; i++) {
    if (b[i] < 32 && !isspace(b[i]) && b[i] != 27)
      return false;
    high += b[i] >= 128;
  }
  return high <= size / 2;
}

static wk_file_type text_type(const uint8_t *b, size_t size) {
  if (begins(b, size, "<!doctype html") || begins(b, size, "<html") || begins(b, size, "<head") ||
      begins(b, size, "<body") || begins(b, size, "<script"))
    return (wk_file_type){"a web page", "the download went wrong: get the picture itself, not the page that shows it"};
  if (begins(b, size, "<svg") || (begins(b, size, "<?xml") && has(b, size, "<svg")))
    return (wk_file_type){"an SVG drawing", "save it as PNG, with rsvg-convert for example"};
  if (begins(b, size, "<?xml") && has(b, size, "<html"))
    return (wk_file_type){"a web page", "the download went wrong: get the picture itself, not the page that shows it"};
  if (begins(b, size, "<?xml") || begins(b, size, "<!--") || (b[0] == '<' && size > 1 && isalpha(b[1])))
    return (wk_file_type){"an XML file", leave_out};
  if (begins(b, size, "http://") || begins(b, size, "https://"))
    return (wk_file_type){"a web address", "download what it leads to"};
  if (b[0] == '{' && has(b, size, "\"weight_map\""))
    return (wk_file_type){"the index of a model that lies in several files", "give a model that is one file"};
  if (b[0] == '{' || b[0] == '[')
    return (wk_file_type){"a JSON file", leave_out};
  return (wk_file_type){"a text file", leave_out};
}

/* ONNX has no magic: the version of its format (field 1, small), then the producer's name, its version, or the graph.
 */
static bool is_onnx(const uint8_t *b, size_t size) {
  if (size < 8 || b[0] != 0x08 || b[1] < 1 || b[1] > 40)
    return false;
  return has(b, size, "onnx") || has(b, size, "pytorch") || (b[2] == 0x12 && b[3] > 1 && b[3] < 64 && isalpha(b[4]));
}

static bool all_zero(const uint8_t *b, size_t size) {
  for (size_t i = 0; i < size; i++)
    if (b[i])
      return false;
  return true;
}

static wk_file_type picture_type(wk_image_format format) {
  static const wk_file_type name[] = {
      [WK_IMAGE_JPEG] = {"a JPEG photo", ""},          [WK_IMAGE_PNG] = {"a PNG picture", ""},
      [WK_IMAGE_WEBP] = {"a WebP picture", ""},        [WK_IMAGE_GIF] = {"a GIF picture", ""},
      [WK_IMAGE_BMP] = {"a BMP picture", ""},          [WK_IMAGE_TIFF] = {"a TIFF picture", ""},
      [WK_IMAGE_HEIF] = {"a HEIC photo", ""},          [WK_IMAGE_AVIF] = {"an AVIF picture", ""},
      [WK_IMAGE_PNM] = {"a PNM picture", ""},          [WK_IMAGE_ICO] = {"an icon", ""},
      [WK_IMAGE_RAW] = {"a camera's raw picture", ""},
  };
  return name[format];
}

static const magic *find_magic(const uint8_t *b, size_t size) {
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (known[i].at + known[i].size <= size && memcmp(b + known[i].at, known[i].bytes, known[i].size) == 0)
      return &known[i];
  return NULL;
}

bool wk_is_other_file(const uint8_t *b, size_t size) {
  return find_magic(b, size) || (size >= 4 && memcmp(b, "PK\3\4", 4) == 0) ||
         (size >= 12 && memcmp(b + 4, "ftyp", 4) == 0) ||
         (size >= 9 && !b[4] && !b[5] && !b[6] && !b[7] && b[8] == '{') ||
         (size >= 2 && b[0] == 0x80 && b[1] >= 2 && b[1] <= 5);
}

wk_file_type wk_file_type_of(const void *bytes, size_t size) {
  enum { HEAD = 4096 };
  const uint8_t *b = bytes;
  size_t n = size < HEAD ? size : HEAD;
  if (size == 0)
    return (wk_file_type){"an empty file", get_again};
  wk_image_format format = wk_image_sniff(bytes, size);
  if (format != WK_IMAGE_UNKNOWN)
    return picture_type(format);
  const magic *found = find_magic(b, n);
  if (found)
    return (wk_file_type){found->name, found->cure};
  if (n >= 4 && (memcmp(b, "PK\3\4", 4) == 0 || memcmp(b, "PK\5\6", 4) == 0))
    return zip_type(b, size);
  if (n >= 12 && memcmp(b + 4, "ftyp", 4) == 0)
    return media_type(b + 8);
  if (n >= 9 && b[4] == 0 && b[5] == 0 && b[6] == 0 && b[7] == 0 && b[8] == '{')
    return (wk_file_type){"a safetensors or .whisker model", give_as_model};
  if (n >= 2 && b[0] == 0x80 && b[1] >= 2 && b[1] <= 5)
    return (wk_file_type){"a Python pickle", give_as_model};
  if (is_onnx(b, n))
    return (wk_file_type){"an ONNX model", give_as_model};
  if (n >= 2 && ((b[0] == 0xff && b[1] == 0xfe) || (b[0] == 0xfe && b[1] == 0xff)))
    return (wk_file_type){"a text file (UTF-16)", leave_out};
  if (all_zero(b, n))
    return (wk_file_type){"a file of zero bytes, as a copy that broke off leaves it", get_again};
  const uint8_t *text = b;
  if (n >= 3 && memcmp(b, "\xef\xbb\xbf", 3) == 0)
    text += 3, n -= 3;
  if (!is_text(text, n))
    return (wk_file_type){"a file of a kind that whisker does not know", save_as_jpeg};
  while (n > 0 && isspace(*text))
    text++, n--;
  return n ? text_type(text, n) : (wk_file_type){"a text file", leave_out};
}
