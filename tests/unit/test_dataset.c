/* test_dataset.c - every layout of labelled photos, every way it can be wrong, lists after RFC 4180, and splits. */
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"

static char *dir;
static wk_dataset *data;
static wk_error error;
static wk_dataset_options options;

static int setup(void **state) {
  (void)state;
  dir = test_tmp_dir();
  data = NULL;
  wk_dataset_options_init(&options);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  wk_dataset_free(data);
  test_tmp_remove(dir);
  return 0;
}

static const char *in_dir(const char *relative) {
  static char path[4][4096];
  static int turn;
  char *p = path[turn++ & 3];
  snprintf(p, sizeof path[0], "%s/%s", dir, relative);
  return p;
}

static void make_bytes(const char *relative, const char *bytes, size_t n) {
  char folder[4096];
  snprintf(folder, sizeof folder, "%s", in_dir(relative));
  *strrchr(folder, '/') = 0;
  assert_int_equal(wk_mkdir_p(folder, NULL), WK_OK);
  FILE *f = fopen(in_dir(relative), "wb");
  assert_non_null(f);
  assert_int_equal(fwrite(bytes, 1, n, f), n);
  fclose(f);
}

static void make(const char *relative) { make_bytes(relative, "x", 1); }
static void make_text(const char *relative, const char *text) { make_bytes(relative, text, strlen(text)); }
static void make_folder(const char *relative) { assert_int_equal(wk_mkdir_p(in_dir(relative), NULL), WK_OK); }

static wk_status open_at(const char *path) {
  wk_dataset_free(data);
  data = NULL;
  memset(&error, 0, sizeof error);
  wk_status st = wk_dataset_open(&data, path, &options, &error);
  if (st != WK_OK)
    assert_null(data);
  return st;
}

static void opens(const char *path) { assert_ok(open_at(path), &error); }

/* Fails with one line that names the path and contains each of the words. */
static void fails(const char *path, wk_status expected, const char *const *words) {
  wk_status st = open_at(path);
  if (st != expected)
    fail_msg("%s: %s, expected %s", path, st ? error.message : "opens", wk_status_name(expected));
  if (strncmp(error.message, path, strlen(path)) != 0 || strchr(error.message, '\n'))
    fail_msg("does not begin with the path, or is more than a line: %s", error.message);
  for (; *words; words++)
    if (!strstr(error.message, *words))
      fail_msg("\"%s\" is not in: %s", *words, error.message);
}
#define FAILS(path, status, ...) fails(path, status, (const char *const[]){__VA_ARGS__, NULL})

/* One of the notes says so. */
static void told(const char *words) {
  for (size_t i = 0; i < data->note_count; i++)
    if (strstr(data->notes[i], words))
      return;
  for (size_t i = 0; i < data->note_count; i++)
    print_message("note: %s\n", data->notes[i]);
  fail_msg("\"%s\" is in none of %zu notes", words, data->note_count);
}

/* "cat dog" */
static void classes_are(const char *expected) {
  char all[512] = "";
  for (int i = 0; i < data->class_count; i++)
    snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? " " : "", data->classes[i]);
  assert_string_equal(all, expected);
}

static void photo_is(size_t i, const char *relative, int label, wk_split part) {
  assert_true(i < data->photo_count);
  assert_string_equal(data->photos[i].path, in_dir(relative));
  assert_int_equal(data->photos[i].label, label);
  assert_int_equal(data->photos[i].split, part);
}

/* ---- folders ---------------------------------------------------------------------------------- */

static void class_folders(void **state) {
  (void)state;
  make("dog/b.jpg");
  make("dog/deep/er/a.PNG");
  make("cat/2.jpeg");
  make("cat/10.webp");
  make("cat-big/1.gif");
  make("stray.jpg");
  opens(dir);
  assert_int_equal(data->layout, WK_LAYOUT_CLASS_FOLDERS);
  classes_are("cat cat-big dog");
  assert_int_equal(data->photo_count, 5);
  photo_is(0, "cat-big/1.gif", 1, WK_SPLIT_ALL); /* by path: '-' comes before '/' */
  photo_is(1, "cat/10.webp", 0, WK_SPLIT_ALL);
  photo_is(2, "cat/2.jpeg", 0, WK_SPLIT_ALL);
  photo_is(3, "dog/b.jpg", 2, WK_SPLIT_ALL);
  photo_is(4, "dog/deep/er/a.PNG", 2, WK_SPLIT_ALL);
  assert_int_equal(data->ignored, 1);
  assert_string_equal(data->root, dir);
}

static void what_is_a_photo(void **state) {
  (void)state;
  make_text("a/photo.dat", "\xff\xd8\xff\xe0\x00\x10JFIF");
  make_text("a/noending", "\x89PNG\r\n\x1a\n\0\0\0\rIHDR");
  make_text("a/notes.txt", "these are notes");
  make_text("a/labels.mat", "MATLAB 5.0 MAT-file");
  make_text("a/empty.dat", "");
  make("b/1.TIFF");
  make("b/._1.jpg");
  make("b/.hidden/2.jpg");
  make("b/Thumbs.db");
  make("__MACOSX/a/1.jpg");
  make(".git/x.png");
  assert_int_equal(mkfifo(in_dir("b/pipe.jpg"), 0666), 0);
  assert_int_equal(mkfifo(in_dir("b/pipe"), 0666), 0);
  opens(dir);
  classes_are("a b");
  assert_int_equal(data->photo_count, 3);
  photo_is(0, "a/noending", 0, WK_SPLIT_ALL);
  photo_is(1, "a/photo.dat", 0, WK_SPLIT_ALL);
  photo_is(2, "b/1.TIFF", 1, WK_SPLIT_ALL);
  assert_int_equal(data->ignored, 5);
}

static void links(void **state) {
  (void)state;
  make("real/cats/1.jpg");
  make("real/cats/2.jpg");
  make("set/dog/1.jpg");
  assert_int_equal(symlink("../real/cats", in_dir("set/cat")), 0);
  assert_int_equal(symlink("../../set", in_dir("set/dog/loop")), 0);
  assert_int_equal(symlink("nowhere.jpg", in_dir("set/dog/dangling.jpg")), 0);
  assert_int_equal(symlink("nowhere", in_dir("set/dog/dangling")), 0);
  opens(in_dir("set"));
  classes_are("cat dog");
  assert_int_equal(data->photo_count, 4);
  photo_is(0, "set/cat/1.jpg", 0, WK_SPLIT_ALL);
  photo_is(2, "set/dog/1.jpg", 1, WK_SPLIT_ALL);
  photo_is(3, "set/dog/dangling.jpg", 1, WK_SPLIT_ALL); /* meant as a photo: it is named as unreadable later */
  assert_int_equal(data->ignored, 1);
}

static void any_bytes_as_names(void **state) {
  (void)state;
  make("caf\xe9/1.jpg"); /* Latin-1 */
  make("\xe7\x8c\xab/photo \xff.jpg");
  make("new\nline/1.jpg");
  opens(dir);
  assert_int_equal(data->class_count, 3);
  assert_string_equal(data->classes[0], "caf\xc3\xa9"); /* a model's classes are UTF-8 */
  assert_string_equal(data->classes[1], "new line");
  told("1 class name is not UTF-8: read as CP1252");
  told("the class is called \"new line\"");
  assert_string_equal(data->photos[2].path, in_dir("\xe7\x8c\xab/photo \xff.jpg"));
}

static void part_folders(void **state) {
  (void)state;
  make("train/cat/1.jpg");
  make("train/dog/1.jpg");
  make("valid/cat/2.jpg");
  make("test/dog/3.jpg");
  make("extra/x.jpg");
  opens(dir);
  assert_int_equal(data->layout, WK_LAYOUT_SPLIT_FOLDERS);
  classes_are("cat dog");
  assert_int_equal(data->photo_count, 4);
  photo_is(0, "test/dog/3.jpg", 1, WK_SPLIT_TEST);
  photo_is(1, "train/cat/1.jpg", 0, WK_SPLIT_TRAIN);
  photo_is(2, "train/dog/1.jpg", 1, WK_SPLIT_TRAIN);
  photo_is(3, "valid/cat/2.jpg", 0, WK_SPLIT_VAL);
  assert_int_equal(data->ignored, 1);
}

/* A class may be called "train". */
static void class_named_train(void **state) {
  (void)state;
  make("train/1.jpg");
  make("bus/1.jpg");
  opens(dir);
  assert_int_equal(data->layout, WK_LAYOUT_CLASS_FOLDERS);
  classes_are("bus train");
}

static void wrapped(void **state) {
  (void)state;
  make("Download/PetImages/Cat/1.jpg");
  make("Download/PetImages/Dog/1.jpg");
  make("Download/readme.txt");
  opens(dir);
  classes_are("Cat Dog");
  make("more/w/train/a/1.jpg");
  make("more/w/train/b/1.jpg");
  opens(in_dir("more"));
  assert_int_equal(data->layout, WK_LAYOUT_SPLIT_FOLDERS);
  classes_are("a b");
}

static void labels_from_name(void **state) {
  (void)state;
  make("images/great_pyrenees_12.jpg");
  make("images/Abyssinian_1.jpg");
  make("images/Abyssinian_2.jpg");
  make("images/Abyssinian_2.mat");
  make("images/cat.12.jpg");
  make("images/maine_coon.7.jpg");
  make("images/cat_front.jpg");
  options.labels_from_name = true;
  opens(dir);
  assert_int_equal(data->layout, WK_LAYOUT_FLAT);
  classes_are("Abyssinian cat great_pyrenees maine_coon");
  assert_int_equal(data->photo_count, 6);
  photo_is(2, "images/cat.12.jpg", 1, WK_SPLIT_ALL);
  photo_is(5, "images/maine_coon.7.jpg", 3, WK_SPLIT_ALL);
  make("images/whiskers.jpg");
  FAILS(dir, WK_ERR_FORMAT, "images/whiskers.jpg", "no class in this file name", "cat_12.jpg");
  make("kaggle/train/cat.0.jpg");
  make("kaggle/train/dog.0.jpg");
  make("kaggle/test/dog.1.jpg");
  opens(in_dir("kaggle"));
  photo_is(0, "kaggle/test/dog.1.jpg", 1, WK_SPLIT_TEST);
  photo_is(1, "kaggle/train/cat.0.jpg", 0, WK_SPLIT_TRAIN);
}

static void unlabelled(void **state) {
  (void)state;
  make("holiday/a.jpg");
  make_text("holiday/b.jpg", "\xff\xd8\xff\xe0\x00\x10JFIF");
  options.allow_unlabelled = true;
  opens(in_dir("holiday"));
  assert_int_equal(data->layout, WK_LAYOUT_PHOTOS);
  assert_int_equal(data->photo_count, 2);
  assert_int_equal(data->class_count, 0);
  photo_is(0, "holiday/a.jpg", -1, WK_SPLIT_ALL);
  opens(in_dir("holiday/b.jpg"));
  assert_int_equal(data->photo_count, 1);
  photo_is(0, "holiday/b.jpg", -1, WK_SPLIT_ALL);
  options.allow_unlabelled = false;
  FAILS(in_dir("holiday/b.jpg"), WK_ERR_FORMAT, "one photo (JPEG)", "Expected");
}

static void wrong_folders(void **state) {
  (void)state;
  FAILS(in_dir("gone"), WK_ERR_NOT_FOUND, "no such file or folder");
  make_folder("empty");
  FAILS(in_dir("empty"), WK_ERR_FORMAT, "no photos", "is empty", "one sub-folder a class");
  make_folder("hollow/cat");
  FAILS(in_dir("hollow"), WK_ERR_FORMAT, "no photos", "only empty folders");
  make("texts/a.txt");
  make("texts/b.csv");
  FAILS(in_dir("texts"), WK_ERR_FORMAT, "no photos", "2 other files", ".txt");
  make("one/cat/1.jpg");
  make("one/cat/2.jpg");
  FAILS(in_dir("one"), WK_ERR_FORMAT, "one class, \"cat\"", "at least two");
  make("hole/cat/1.jpg");
  make_folder("hole/dog");
  make("hole/rat/1.jpg");
  FAILS(in_dir("hole"), WK_ERR_FORMAT, "hole/dog: no photos in this class folder", "or remove");
  make("flat/holiday.jpg");
  make("flat/beach.jpg");
  FAILS(in_dir("flat"), WK_ERR_FORMAT, "no class folders here, only 2 photos", "folder of its own", "file,label");
  make("camera/IMG_0001.jpg");
  make("camera/IMG_0002.jpg");
  FAILS(in_dir("camera"), WK_ERR_FORMAT, "folder of its own");
  for (int i = 0; i < 4; i++) {
    char name[64];
    snprintf(name, sizeof name, "pets/%s_%d.jpg", i < 2 ? "Abyssinian" : "pug", i);
    make(name);
  }
  FAILS(in_dir("pets"), WK_ERR_FORMAT, "only 4 photos", "CLASS_number (2 classes, such as Abyssinian_0.jpg)",
        "--labels-from name");
}

static void wrong_parts(void **state) {
  (void)state;
  make("a/train/1.jpg");
  make("a/test/2.jpg");
  FAILS(in_dir("a"), WK_ERR_FORMAT, "no class folders here", "one sub-folder a class", "/cat");
  make("b/test/cat/1.jpg");
  make("b/test/dog/1.jpg");
  FAILS(in_dir("b"), WK_ERR_FORMAT, "test/ but no train/");
  make("c/train/cat/1.jpg");
  make("c/train/dog/1.jpg");
  make("c/test/dgo/1.jpg");
  FAILS(in_dir("c"), WK_ERR_FORMAT, "c/test/dgo/1.jpg", "\"dgo\"", "no folder in train/");
  make("d/train/cat/1.jpg");
  make("d/train/dog/1.jpg");
  make_folder("d/val");
  FAILS(in_dir("d"), WK_ERR_FORMAT, "d/val: no photos here");
  make("e/train/cat/1.jpg");
  FAILS(in_dir("e"), WK_ERR_FORMAT, "one class, \"cat\"");
}

static void known_classes(void **state) {
  (void)state;
  static const char *const known[] = {"dog", "cat", "rat"};
  options.classes = known;
  options.class_count = 3;
  make("a/cat/1.jpg");
  make_folder("a/nothing");
  opens(in_dir("a")); /* one class is enough to be tested on */
  classes_are("dog cat rat");
  photo_is(0, "a/cat/1.jpg", 1, WK_SPLIT_ALL);
  make("b/test/rat/1.jpg");
  opens(in_dir("b"));
  photo_is(0, "b/test/rat/1.jpg", 2, WK_SPLIT_TEST);
  make("c/cat/1.jpg");
  make("c/dgo/1.jpg");
  FAILS(in_dir("c"), WK_ERR_NOT_FOUND, "\"dgo\"", "Did you mean \"dog\"?", "dog, cat, rat");
  options.allow_unlabelled = true;
  opens(in_dir("c"));
  photo_is(1, "c/dgo/1.jpg", -1, WK_SPLIT_ALL);
  options.allow_unlabelled = false;
  make("d/cat/1.jpg");
  make("d/1/1.jpg"); /* an index only counts in lists */
  FAILS(in_dir("d"), WK_ERR_NOT_FOUND, "\"1\"");
}

/* ---- lists ------------------------------------------------------------------------------------ */

static void list_plain(void **state) {
  (void)state;
  make("b.jpg");
  make("images/a.jpg");
  make_text("list.csv", "file,label\nb.jpg,dog\na.jpg,cat\n/absolute.jpg,cat\ngone.jpg,dog\n");
  opens(in_dir("list.csv"));
  assert_int_equal(data->layout, WK_LAYOUT_LIST);
  classes_are("cat dog");
  assert_int_equal(data->photo_count, 4);
  photo_is(0, "b.jpg", 1, WK_SPLIT_ALL); /* in the list's order */
  photo_is(1, "images/a.jpg", 0, WK_SPLIT_ALL);
  assert_string_equal(data->photos[2].path, "/absolute.jpg");
  photo_is(3, "gone.jpg", 1, WK_SPLIT_ALL); /* named as unreadable later */
}

static void list_dialects(void **state) {
  (void)state;
  static const char *const text[] = {
      "\xef\xbb\xbf"
      "file,label\r\nx.jpg,\"cat, big\"\r\ny.jpg,\"say \"\"dog\"\"\"\r\n",
      "file\tlabel\nx.jpg\tcat, big\ny.jpg\t\"say \"\"dog\"\"\"",
      "Class;other;File\r\"cat, big\";;x.jpg\r\r\"say \"\"dog\"\"\";;\"y.jpg\"\r",
      "\n\n\"file\" , label \n x.jpg ,\"cat, big\"\n\ny.jpg,\"say \"\"dog\"\"\"\n\n",
      "id,file,class,split\n1,x.jpg,\"cat, big\",\n2,y.jpg,\"say \"\"dog\"\"\",",
  };
  make("x.jpg");
  make("y.jpg");
  for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
    if (i == 3)
      continue; /* spaces between a closing quote and the comma: refused, below */
    make_text("list", text[i]);
    opens(in_dir("list"));
    assert_int_equal(data->photo_count, 2);
    assert_int_equal(data->class_count, 2);
    assert_string_equal(data->classes[0], "cat, big");
    assert_string_equal(data->classes[1], "say \"dog\"");
    photo_is(0, "x.jpg", 0, WK_SPLIT_ALL);
    photo_is(1, "y.jpg", 1, WK_SPLIT_ALL);
  }
  make_text("list", text[3]);
  FAILS(in_dir("list"), WK_ERR_FORMAT, "line 3", "follows a closing quote");
  make_text("list", "file,label\n\"x.jpg\",\"two\nlines\"\ny.jpg,b\n");
  opens(in_dir("list"));
  assert_string_equal(data->classes[1], "two lines");
}

static void list_parts(void **state) {
  (void)state;
  make("x.jpg");
  make("y.jpg");
  make("z.jpg");
  make("w.jpg");
  make_text("list.tsv", "file\tlabel\tpart\nx.jpg\ta\ttrain\ny.jpg\tb\tVal\nz.jpg\tb\ttest\nw.jpg\ta\t\n");
  opens(in_dir("list.tsv"));
  photo_is(0, "x.jpg", 0, WK_SPLIT_TRAIN);
  photo_is(1, "y.jpg", 1, WK_SPLIT_VAL);
  photo_is(2, "z.jpg", 1, WK_SPLIT_TEST);
  photo_is(3, "w.jpg", 0, WK_SPLIT_ALL);
  make_text("list.tsv", "file\tlabel\tpart\nx.jpg\ta\tholdout\n");
  FAILS(in_dir("list.tsv"), WK_ERR_FORMAT, "line 2", "\"holdout\"", "train, val or test");
}

static void list_known(void **state) {
  (void)state;
  static const char *const known[] = {"dog", "cat", "2"};
  options.classes = known;
  options.class_count = 3;
  make("x.jpg");
  make("y.jpg");
  make("z.jpg");
  make_text("list.csv", "file,label\nx.jpg,cat\ny.jpg,dog\nz.jpg,2\n"); /* names, of which one is a number */
  opens(in_dir("list.csv"));
  photo_is(0, "x.jpg", 1, WK_SPLIT_ALL);
  photo_is(1, "y.jpg", 0, WK_SPLIT_ALL);
  photo_is(2, "z.jpg", 2, WK_SPLIT_ALL);
  make_text("list.csv", "file,label\nx.jpg,2\ny.jpg,0\nz.jpg,1\n"); /* indices: 0 and 1 are nobody's name */
  opens(in_dir("list.csv"));
  photo_is(0, "x.jpg", 2, WK_SPLIT_ALL);
  photo_is(1, "y.jpg", 0, WK_SPLIT_ALL);
  photo_is(2, "z.jpg", 1, WK_SPLIT_ALL);
  told("taken for the classes' indices");
  make_text("list.csv", "file,label\nx.jpg,cat\ny.jpg,0\n"); /* a bit of both */
  FAILS(in_dir("list.csv"), WK_ERR_NOT_FOUND, "\"0\"", "not a class of this model");
  make_text("list.csv", "file,label\nx.jpg,1\ny.jpg,3\n");
  FAILS(in_dir("list.csv"), WK_ERR_NOT_FOUND, "count from 1");
  static const char *const padded[] = {"01", "02", "03"};
  options.classes = padded;
  make_text("list.csv", "file,label\nx.jpg,1\ny.jpg,3\n");
  opens(in_dir("list.csv"));
  photo_is(0, "x.jpg", 0, WK_SPLIT_ALL);
  photo_is(1, "y.jpg", 2, WK_SPLIT_ALL);
  told("1 is taken for class \"01\"");
  options.classes = known;
  make_text("list.csv", "file,label\nx.jpg,4\n");
  FAILS(in_dir("list.csv"), WK_ERR_NOT_FOUND, "\"4\"", "not a class of this model");
  make_text("list.csv", "file,label\nx.jpg,n02123597\n");
  FAILS(in_dir("list.csv"), WK_ERR_NOT_FOUND, "n02123597");

  const char *imagenet[WK_IMAGENET_CLASSES];
  for (int i = 0; i < WK_IMAGENET_CLASSES; i++)
    imagenet[i] = wk_imagenet_label(i);
  options.classes = imagenet;
  options.class_count = WK_IMAGENET_CLASSES;
  make_text("list.csv", "file,label\nx.jpg,n02123597\ny.jpg,n01440764\n");
  opens(in_dir("list.csv"));
  photo_is(0, "x.jpg", 284, WK_SPLIT_ALL);
  photo_is(1, "y.jpg", 0, WK_SPLIT_ALL);
  make_text("list.csv", "file,label\nx.jpg,284\ny.jpg,7\n");
  opens(in_dir("list.csv"));
  photo_is(0, "x.jpg", 284, WK_SPLIT_ALL);
  make("wnid/n02123597/1.jpg");
  opens(in_dir("wnid"));
  photo_is(0, "wnid/n02123597/1.jpg", 284, WK_SPLIT_ALL);
}

/* A folder of photos with its list beside them. */
static void list_in_folder(void **state) {
  (void)state;
  make("a/images/1.jpg");
  make("a/images/2.jpg");
  make_text("a/notes.csv", "day,rain\n1,2\n");
  make_text("a/labels.csv", "file,label\n1.jpg,x\n2.jpg,y\n");
  opens(in_dir("a"));
  assert_int_equal(data->layout, WK_LAYOUT_LIST);
  photo_is(1, "a/images/2.jpg", 1, WK_SPLIT_ALL);
  make_text("a/more.csv", "file,label\n1.jpg,x\n2.jpg,y\n"); /* which of the two? */
  FAILS(in_dir("a"), WK_ERR_FORMAT, "labels.csv", "more.csv", "the one that is meant");
  make("b/1.jpg");
  make("b/2.jpg");
  make_text("b/l.tsv", "label\tfile\nx\t1.jpg\ny\t2.jpg\n");
  opens(in_dir("b"));
  photo_is(1, "b/2.jpg", 1, WK_SPLIT_ALL);
  make_text("c/other.csv", "file,label\n1.jpg,x\n"); /* of other photos: those have folders */
  make("c/x/1.jpg");
  make("c/y/2.jpg");
  opens(in_dir("c"));
  assert_int_equal(data->layout, WK_LAYOUT_CLASS_FOLDERS);
}

static void list_unlabelled(void **state) {
  (void)state;
  options.allow_unlabelled = true;
  make("x.jpg");
  make_text("list.csv", "file\nx.jpg\n");
  opens(in_dir("list.csv"));
  assert_int_equal(data->class_count, 0);
  photo_is(0, "x.jpg", -1, WK_SPLIT_ALL);
}

static void wrong_lists(void **state) {
  (void)state;
  const char *list = in_dir("list.csv");
  char path[4096];
  snprintf(path, sizeof path, "%s", list);
  make("x.jpg");
#define WRONG(text, ...)                                                                                               \
  do {                                                                                                                 \
    make_bytes("list.csv", text, sizeof(text) - 1);                                                                    \
    FAILS(path, WK_ERR_FORMAT, __VA_ARGS__);                                                                           \
  } while (0)
  WRONG("", "empty");
  WRONG("\n\r\n\n", "empty", "file,label");
  WRONG("some,words\nof,mine\n", "does not name a file column", "\"some\", \"words\"", "\"file,label\"");
  WRONG("file,kind,age\nx.jpg,dog,4\n", "does not name a label column", "breed");
  WRONG("file,label\n", "names no photos");
  WRONG("file,label\nx.jpg\n", "line 2 has 1 field,", "2 columns");
  WRONG("file,label\nx.jpg,a\nx.jpg,b,c\n", "line 3 has 3 fields");
  WRONG("file,label\nx.jpg,\n", "line 2", "no label");
  WRONG("file,label\n,cat\n", "line 2", "name is missing");
  WRONG("file,label\nx.jpg,\"cat\n", "line 2", "never closed");
  WRONG("file,label\nx.jpg,a\nx.jpg,\"cat\"s\n", "line 3", "follows a closing quote");
  WRONG("file,label\nx.jpg,\"a\nb\"\nx.jpg,c,d\n", "line 4 has 3 fields");
  WRONG("file,label\nx.jpg,chat\nx.jpg,b\xe9"
        "b\xe9\n",
        "line 3 is not UTF-8", "CSV UTF-8");
  WRONG("\x7f"
        "ELF\0\0\0\0",
        "neither a folder");
  WRONG("file,label\nx.jpg,cat\nx.jpg,cat\n", "one class", "add rows");
  make_text("list.csv", "file,label\ny.jpg,a\nz.jpg,b\n");
  FAILS(path, WK_ERR_NOT_FOUND, "none of its 2 files", "y.jpg");
  char wide[2000] = "file,label";
  for (int i = 0; i < 300; i++)
    strcat(wide, ",x");
  make_text("list.csv", wide);
  FAILS(path, WK_ERR_FORMAT, "more than");
}

/* Any prefix of a list with every feature gives a collection or an error, never a crash. */
static void cut_lists(void **state) {
  (void)state;
  static const char text[] = "\xef\xbb\xbf"
                             "file,label,part\r\n\"x.jpg\",\"a \"\"b\"\"\",train\r\ny.jpg,c,\r\n\"z.jpg\",d,test";
  make("x.jpg");
  make("y.jpg");
  make("z.jpg");
  for (size_t n = 0; n < sizeof text; n++) {
    make_bytes("list.csv", text, n);
    (void)open_at(in_dir("list.csv"));
  }
  assert_int_equal(data->photo_count, 3);
}

/* Nor do random bytes in one. */
static void mutated_lists(void **state) {
  (void)state;
  static const char text[] = "file,label,part\r\n\"x.jpg\",\"a \"\"b\"\"\",train\nx.jpg,c,\nx.jpg,\"d\ne\",test\n";
  static const char odd[] = "\",;\t\r\n\0\xff x/.";
  make("x.jpg");
  wk_rng rng;
  wk_rng_init(&rng, 5, 5);
  for (int round = 0; round < 2000; round++) {
    char mutated[sizeof text];
    memcpy(mutated, text, sizeof text);
    for (uint32_t i = wk_rng_below(&rng, 6) + 1; i; i--)
      mutated[wk_rng_below(&rng, sizeof text - 1)] = odd[wk_rng_below(&rng, sizeof odd - 1)];
    make_bytes("list.csv", mutated, sizeof text - 1);
    if (open_at(in_dir("list.csv")) != WK_OK)
      assert_true(error.message[0] && !strchr(error.message, '\n'));
  }
}

static void no_memory(void **state) {
  (void)state;
  make("set/train/cat/1.jpg");
  make("set/train/dog/1.jpg");
  make("set/test/dog/2.jpg");
  make("set/list.csv");
  make_text("list.csv", "file,label\nset/train/cat/1.jpg,cat\nset/train/dog/1.jpg,dog\n");
  char path[2][4096];
  snprintf(path[0], sizeof path[0], "%s", in_dir("set"));
  snprintf(path[1], sizeof path[1], "%s", in_dir("list.csv"));
  for (int k = 0; k < 2; k++)
    for (long n = 0;; n++) {
      test_fail_allocation(n);
      wk_status st = open_at(path[k]);
      bool all = test_allocations() <= n;
      test_fail_allocation(-1);
      if (all) {
        assert_ok(st, &error);
        break;
      }
      assert_int_equal(st, WK_ERR_MEMORY);
    }
}

/* ---- fetched data ----------------------------------------------------------------------------- */

static void real_cats_dogs(void **state) {
  (void)state;
  TEST_NEEDS(path, "photos/cats-dogs");
  opens(path);
  assert_int_equal(data->layout, WK_LAYOUT_SPLIT_FOLDERS);
  classes_are("cat dog");
  assert_int_equal(data->photo_count, 1500);
}

static void real_pets(void **state) {
  (void)state;
  TEST_NEEDS(path, "photos/pets/images");
  assert_int_equal(open_at(path), WK_ERR_FORMAT);
  assert_non_null(strstr(error.message, "--labels-from name"));
  options.labels_from_name = true;
  opens(path);
  assert_int_equal(data->class_count, 37);
  assert_int_equal(data->ignored, 3);
}

static void real_imagenet(void **state) {
  (void)state;
  TEST_NEEDS(path, "photos/imagenet/labels.csv");
  const char *imagenet[WK_IMAGENET_CLASSES];
  for (int i = 0; i < WK_IMAGENET_CLASSES; i++)
    imagenet[i] = wk_imagenet_label(i);
  options.classes = imagenet;
  options.class_count = WK_IMAGENET_CLASSES;
  opens(path);
  assert_int_equal(data->photo_count, 650);
  assert_int_equal(data->photos[0].label, 472);
  assert_true(access(data->photos[649].path, R_OK) == 0);
  TEST_NEEDS(folder, "photos/imagenet"); /* with that list in it */
  opens(folder);
  assert_int_equal(data->photo_count, 650);
  assert_int_equal(data->photos[0].label, 472);
}

/* ---- splits ----------------------------------------------------------------------------------- */

static void split_counts(void **state) {
  (void)state;
  static const struct {
    int of;
    double fraction;
    int out;
  } want[] = {{0, .3, 0},  {1, .3, 0},   {2, .3, 1},  {2, .99, 1},   {3, .01, 1},
              {10, .3, 3}, {10, .25, 3}, {11, .3, 3}, {500, .2, 100}};
  enum { CLASSES = sizeof want / sizeof *want, MAX = 600 };
  int label[MAX], n = 0;
  for (int round = 0; round < 500; round++)
    for (int c = 0; c < CLASSES; c++)
      if (round < want[c].of && n < MAX)
        label[n++] = c;
  for (int c = 0; c < CLASSES; c++) {
    bool out[MAX];
    assert_int_equal(wk_split_stratified(out, label, (size_t)n, CLASSES, want[c].fraction, 42, NULL), WK_OK);
    int held = 0;
    for (int i = 0; i < n; i++)
      held += out[i] && label[i] == c;
    assert_int_equal(held, want[c].out);
  }
}

static void split_seeds(void **state) {
  (void)state;
  enum { N = 200 };
  int label[N];
  bool a[N], b[N], c[N];
  for (int i = 0; i < N; i++)
    label[i] = i % 3 - (i == 7); /* one of -1 */
  label[0] = -1;
  assert_int_equal(wk_split_stratified(a, label, N, 3, 0.3, 1, NULL), WK_OK);
  assert_int_equal(wk_split_stratified(b, label, N, 3, 0.3, 1, NULL), WK_OK);
  assert_int_equal(wk_split_stratified(c, label, N, 3, 0.3, 2, NULL), WK_OK);
  assert_memory_equal(a, b, sizeof a);
  assert_memory_not_equal(a, c, sizeof a);
  assert_false(a[0]);
  /* Every photo is held out for some seed: nothing is left out by habit. */
  bool ever[N] = {false};
  for (uint64_t seed = 0; seed < 60; seed++) {
    assert_int_equal(wk_split_stratified(a, label, N, 3, 0.3, seed, NULL), WK_OK);
    for (int i = 0; i < N; i++)
      ever[i] |= a[i];
  }
  for (int i = 1; i < N; i++)
    assert_true(ever[i]);
}

static void split_wrong(void **state) {
  (void)state;
  int label[2] = {0, 1};
  bool out[2] = {true, true};
  wk_error err = {0};
  assert_int_equal(wk_split_stratified(out, label, 2, 2, 0, 1, &err), WK_ERR_ARGUMENT);
  assert_int_equal(wk_split_stratified(out, label, 2, 2, 1, 1, &err), WK_ERR_ARGUMENT);
  assert_int_equal(wk_split_stratified(out, label, 2, 2, NAN, 1, &err), WK_ERR_ARGUMENT);
  assert_int_equal(wk_split_stratified(out, label, 2, 1, 0.5, 1, &err), WK_ERR_ARGUMENT);
  assert_non_null(strstr(err.message, "photo 1 has label 1"));
  assert_true(out[0] && out[1]);
  assert_int_equal(wk_split_stratified(out, label, 0, 1, 0.5, 1, &err), WK_OK);
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
      T(class_folders),  T(what_is_a_photo),   T(links),          T(any_bytes_as_names),
      T(part_folders),   T(class_named_train), T(wrapped),        T(labels_from_name),
      T(unlabelled),     T(wrong_folders),     T(wrong_parts),    T(known_classes),
      T(list_plain),     T(list_dialects),     T(list_parts),     T(list_known),
      T(list_in_folder), T(list_unlabelled),   T(wrong_lists),    T(cut_lists),
      T(mutated_lists),  T(no_memory),         T(real_cats_dogs), T(real_pets),
      T(real_imagenet),  T(split_counts),      T(split_seeds),    T(split_wrong),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
