/* test_layouts.c - data as people have them: split folders under all their names, lists of every dialect, archives with
 * odd names and links, archives in folders, MNIST's and CIFAR's files, WebDataset's shards. Each gives the right
 * classes, the right number of photos in every split, and says what was taken for what. */
#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http_server.h"

static char *dir;
static char unpack[4200];
static wk_dataset *data;
static wk_error error;
static wk_dataset_options options;

static int setup(void **state) {
  (void)state;
  dir = test_tmp_dir();
  snprintf(unpack, sizeof unpack, "%s/.unpacked", dir);
  data = NULL;
  wk_dataset_options_init(&options);
  options.unpack_folder = unpack;
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

static void make_bytes(const char *relative, const void *bytes, size_t n) {
  char folder[4096];
  snprintf(folder, sizeof folder, "%s", in_dir(relative));
  *strrchr(folder, '/') = 0;
  assert_int_equal(wk_mkdir_p(folder, NULL), WK_OK);
  FILE *f = fopen(in_dir(relative), "wb");
  assert_non_null(f);
  assert_int_equal(fwrite(bytes, 1, n, f), n);
  fclose(f);
}

static void make_text(const char *relative, const char *text) { make_bytes(relative, text, strlen(text)); }

/* The one '%...d' of a format, which is a name of a file here. */
static void test_format(char *to, size_t size, const char *format, int i) {
  const char *at = strchr(format, '%'), *rest = strchr(at, 'd') + 1;
  snprintf(to, size, "%.*s%0*d%s", (int)(at - format), format, at[1] == '0' ? atoi(at + 1) : 1, i, rest);
}

/* FOLDER/0.jpg to FOLDER/(n - 1).jpg, or with a printf format in it. */
static void photos(const char *format, int n) {
  char name[512];
  for (int i = 0; i < n; i++) {
    if (strchr(format, '%'))
      test_format(name, sizeof name, format, i);
    else
      snprintf(name, sizeof name, "%s/%d.jpg", format, i);
    make_bytes(name, name, strlen(name));
  }
}

static wk_status open_at(const char *relative) {
  wk_dataset_free(data);
  data = NULL;
  memset(&error, 0, sizeof error);
  return wk_dataset_open(&data, in_dir(relative), &options, &error);
}

static size_t in_split(wk_split split) {
  size_t n = 0;
  for (size_t i = 0; i < data->photo_count; i++)
    n += data->photos[i].split == split;
  return n;
}

/* classes "cat dog", and how many photos are in no split, train, val and test. */
static void opens(const char *relative, const char *classes, size_t all, size_t train, size_t val, size_t test) {
  char found[1024] = "";
  assert_ok(open_at(relative), &error);
  for (int i = 0; i < data->class_count; i++)
    snprintf(found + strlen(found), sizeof found - strlen(found), "%s%s", i ? " " : "", data->classes[i]);
  if (strcmp(found, classes) != 0 || in_split(WK_SPLIT_ALL) != all || in_split(WK_SPLIT_TRAIN) != train ||
      in_split(WK_SPLIT_VAL) != val || in_split(WK_SPLIT_TEST) != test)
    fail_msg("%s: classes %s, %zu photos in no split, %zu train, %zu val, %zu test", relative, found,
             in_split(WK_SPLIT_ALL), in_split(WK_SPLIT_TRAIN), in_split(WK_SPLIT_VAL), in_split(WK_SPLIT_TEST));
  for (size_t i = 0; i < data->photo_count; i++)
    assert_true(data->photos[i].label >= 0 && data->photos[i].label < data->class_count);
}

static void told(const char *words) {
  for (size_t i = 0; i < data->note_count; i++)
    if (strstr(data->notes[i], words))
      return;
  for (size_t i = 0; i < data->note_count; i++)
    print_message("note: %s\n", data->notes[i]);
  fail_msg("\"%s\" is in none of %zu notes", words, data->note_count);
}

static void fails(const char *relative, const char *words) {
  if (open_at(relative) == WK_OK)
    fail_msg("%s opens", relative);
  if (!strstr(error.message, words) || strchr(error.message, '\n'))
    fail_msg("\"%s\" is not in: %s", words, error.message);
}

/* ---- splits ----------------------------------------------------------------------------------- */

static void split_names(void **state) {
  (void)state;
  static const struct {
    const char *train, *val, *test;
    bool usual;
  } names[] = {{"training_set", NULL, "test_set", false},
               {"seg_train", NULL, "seg_test", false},
               {"train", "dev", "test", false},
               {"Train", "Valid", "Test", true},
               {"TRAIN", NULL, "TEST", true},
               {"train_images", "val_images", "test_images", false},
               {"TrainData", NULL, "TestData", false},
               {"flowers-train", "flowers-val", "flowers-test", false},
               {"training", "validation", "evaluation", false},
               {"train/train", NULL, "test1/test1", false},
               {"training_set/training_set", NULL, "test_set/test_set", false},
               {"01_train", NULL, "02_test", false}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char set[64], path[256];
    const char *const part[] = {names[i].train, names[i].val, names[i].test};
    static const int each[] = {5, 2, 3};
    for (int p = 0; p < 3; p++)
      for (int k = 0; part[p] && k < 2; k++) {
        snprintf(path, sizeof path, "s%zu/%s/%s", i, part[p], k ? "dogs" : "cats");
        photos(path, each[p]);
      }
    snprintf(set, sizeof set, "s%zu", i);
    opens(set, "cats dogs", 0, 10, part[1] ? 4 : 0, 6);
    if (!names[i].usual)
      told("to learn from");
  }
}

static void beside_splits(void **state) {
  (void)state;
  photos("a/cat", 8);
  photos("a/dog", 8);
  photos("a/test", 4); /* photos to test on whose class nobody wrote down */
  opens("a", "cat dog", 16, 0, 0, 0);
  told("4 photos without class folders");
  photos("b/train/cat", 6);
  photos("b/train/dog", 6);
  photos("b/extra/dog", 2);
  photos("b/new cats", 2);
  opens("b", "cat dog", 0, 12, 0, 0);
  told("4 photos beside train/ (\"extra\", \"new cats\")");
  assert_int_equal(data->aside, 4);
  options.allow_unlabelled = true; /* to be looked at, they are as good as others */
  assert_ok(open_at("b"), &error);
  assert_int_equal(data->photo_count, 16);
  told("are of no class");
  options.allow_unlabelled = false;
  photos("c/car/2021", 6);
  photos("c/plane/jet", 6);
  photos("c/train/electric", 3);
  photos("c/train/steam", 3);
  opens("c", "car plane train", 18, 0, 0, 0);
  told("train/ is taken for a class");
  photos("d/cat", 3);
  photos("d/dog", 3);
  photos("d/test/cat", 2);
  photos("d/test/dog", 2);
  opens("d", "cat dog", 0, 6, 0, 4);
  told("test/ is taken for the 4 photos to test on");
  photos("e/train/cat", 9);
  photos("e/train/dog", 9);
  photos("e/test", 5); /* a flat test/ beside a train/ with classes */
  opens("e", "cat dog", 0, 18, 0, 0);
  told("5 photos without class folders");
  photos("f/cat/train", 4);
  photos("f/cat/test", 2);
  photos("f/dog/train", 4);
  photos("f/dog/test", 2);
  opens("f", "cat dog", 0, 8, 0, 4);
  photos("g/train", 4); /* the vehicle */
  photos("g/bus", 4);
  opens("g", "bus train", 8, 0, 0, 0);
  photos("h/train station", 3);
  photos("h/test tube", 3);
  opens("h", "test tube train station", 6, 0, 0, 0);
}

/* What is not clear is not guessed: both ways to say it are named. */
static void unclear_splits(void **state) {
  (void)state;
  photos("a/train/electric", 9);
  photos("a/train/steam", 9);
  photos("a/bus", 9);
  fails("a", "a/train itself");
  assert_non_null(strstr(error.message, "train_class"));
  photos("b/train", 5);
  photos("b/test", 5);
  photos("b/cat", 5);
  photos("b/dog", 5);
  fails("b", "in the second rename it");
  options.allow_unlabelled = true; /* nothing needs to be decided to look at photos */
  assert_ok(open_at("a"), &error);
  assert_int_equal(data->photo_count, 27);
}

static void class_in_name(void **state) {
  (void)state;
  photos("k/train/train/cat.%d.jpg", 6);
  photos("k/train/train/dog.%d.jpg", 6);
  photos("k/test1/test1/%d.jpg", 4);
  make_text("k/sampleSubmission.csv", "id,label\n1,0\n2,0\n");
  fails("k", "add --labels-from name");
  photos("s/cat_%02d_a3f9c.jpg", 8);
  photos("s/dog_%02d_b7712.jpg", 8);
  photos("p/cat (%d).jpg", 4);
  photos("p/dog (%d).jpg", 4);
  photos("u/IMG_%d_x.jpg", 6);
  options.labels_from_name = true;
  opens("k", "cat dog", 0, 12, 0, 0);
  told("4 photos without a class in their names");
  opens("s", "cat dog", 16, 0, 0, 0);
  told("before the first number");
  opens("p", "cat dog", 8, 0, 0, 0);
  for (int i = 0; i < 6; i++) {
    char name[64];
    snprintf(name, sizeof name, "v/a%c_x%c.jpg", 'a' + i, 'a' + i);
    make_text(name, "x");
  }
  fails("v", "of a class of its own");
}

/* ---- litter ----------------------------------------------------------------------------------- */

static void litter(void **state) {
  (void)state;
  static const char *const left[] = {"d/.DS_Store",
                                     "d/cat/._0.jpg",
                                     "d/cat/@eaDir/0.jpg/SYNOPHOTO_THUMB_S.jpg",
                                     "d/$RECYCLE.BIN/1.jpg",
                                     "d/System Volume Information/IndexerVolumeGuid",
                                     "d/.ipynb_checkpoints/0-checkpoint.jpg",
                                     "d/cat/.ipynb_checkpoints/0-checkpoint.jpg",
                                     "d/__MACOSX/cat/0.jpg",
                                     "d/dog/Thumbs.db",
                                     "d/dog/desktop.ini",
                                     "d/#recycle/1.jpg",
                                     "d/.Trash-1000/files/1.jpg",
                                     "d/lost+found/1.jpg"};
  photos("d/cat", 6);
  photos("d/dog", 6);
  for (size_t i = 0; i < sizeof left / sizeof *left; i++)
    make_text(left[i], "x");
  opens("d", "cat dog", 12, 0, 0, 0);
  assert_int_equal(data->ignored, 0);
  assert_int_equal(data->note_count, 0);
}

/* ---- lists ------------------------------------------------------------------------------------ */

static void list_of(const char *text) { make_text("l/l.csv", text); }

static void list_dialects(void **state) {
  (void)state;
  static const char *const text[] = {
      "\xef\xbb\xbf"
      "file,label\r\ncat0.jpg,cat\r\ndog0.jpg,dog\r\n",
      "sep=;\r\nfile;label\r\ncat0.jpg;cat\r\ndog0.jpg;dog\r\n",
      "file;label\ncat0.jpg;cat\ndog0.jpg;dog\n",
      "file|label\ncat0.jpg|cat\ndog0.jpg|dog\n",
      "file,label,,\r\ncat0.jpg,cat,,\r\ndog0.jpg,dog,,\r\n,,,\r\n,,,\r\n",
      "file,label\r\ncat0.jpg,cat\r\ndog0.jpg,dog\r\n,\r\n",
      "image_path,class_name\ncat0.jpg,cat\ndog0.jpg,dog\n",
      "img,category\ncat0.jpg,cat\ndog0.jpg,dog\n",
      "filename,target\ncat0.jpg,cat\ndog0.jpg,dog\n",
      "id,breed\ncat0,cat\ndog0,dog\n",
      "Image,Id\ncat0.jpg,cat\ndog0.jpg,dog\n",
      "picture,mood\ncat0.jpg,cat\ndog0.jpg,dog\n",
      "number,when,what,species\n1,2020,cat0.jpg,cat\n2,2021,dog0.jpg,dog\n",
      "file,label\nimages\\cat0.jpg,cat\nimages\\dog0.jpg,dog\n",
      "file,label\nC:\\Users\\me\\pets\\images\\cat0.jpg,cat\nC:\\Users\\me\\pets\\images\\dog0.jpg,dog\n",
      "file,label\n/home/you/l/images/cat0.jpg,cat\n/home/you/l/images/dog0.jpg,dog\n",
      "file,label\n./images/cat0.jpg,cat\n./images/dog0.jpg,dog\n",
      "file,label\nl/images/cat0.jpg,cat\nl/images/dog0.jpg,dog\n",
      "file,cat,dog\ncat0.jpg,1,0\ndog0.jpg,0,1\n",
      "image_id,cat,dog\ncat0,1.0,0.0\ndog0,0.0,1.0\n",
      "cat0.jpg,cat\ndog0.jpg,dog\n",
      "cat0.jpg cat\ndog0.jpg dog\n",
      "file,label\ncat0.jpg,cat\ncat0.jpg,cat\ndog0.jpg,dog\n",
      "file,label\ncat0.jpg,cat\ndog0.jpg,dog\ngone.jpg,fox\n",
  };
  photos("l/images/cat%d.jpg", 1);
  photos("l/images/dog%d.jpg", 1);
  for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
    list_of(text[i]);
    opens("l/l.csv", "cat dog", 2, 0, 0, 0);
    assert_string_equal(data->photos[0].path, in_dir("l/images/cat0.jpg"));
    assert_string_equal(data->photos[1].name, in_dir("l/images/dog0.jpg"));
  }
  told("no photo of the class \"fox\" is there");
}

static void list_utf16(void **state) {
  (void)state;
  const char text[] = "file\tlabel\r\ncat0.jpg\tK\xe4tzchen\r\ndog0.jpg\tdog\r\n"; /* code points below 256 */
  photos("l/cat%d.jpg", 1);
  photos("l/dog%d.jpg", 1);
  for (int big = 0; big < 2; big++) {
    uint8_t wide[2 * sizeof text];
    size_t n = 0;
    wide[n++] = big ? 0xfe : 0xff;
    wide[n++] = big ? 0xff : 0xfe;
    for (size_t i = 0; i + 1 < sizeof text; i++) {
      wide[n + (size_t)big] = (uint8_t)text[i];
      wide[n + (size_t)!big] = 0;
      n += 2;
    }
    make_bytes("l/l.csv", wide, n);
    opens("l/l.csv", "K\xc3\xa4tzchen dog", 2, 0, 0, 0);
  }
}

static void list_refused(void **state) {
  (void)state;
  photos("l/cat%d.jpg", 2);
  photos("l/dog%d.jpg", 2);
  list_of("file,label\ncat0.jpg,cat\ncat0.jpg,dog\n");
  fails("l/l.csv", "lines 2 and 3 give cat0.jpg more than one label (cat, dog)");
  list_of("file,cat,dog,indoor\ncat0.jpg,1,0,1\ndog0.jpg,0,1,0\n");
  fails("l/l.csv", "line 2: cat0.jpg has more than one label (cat, indoor)");
  options.unpack_folder = NULL;
  list_of("file,label\nhttps://example.org/a.jpg,cat\nhttps://example.org/b.jpg,dog\n");
  fails("l/l.csv", "line 2: https://example.org/a.jpg is a web address");
  options.unpack_folder = unpack;
  photos("m/train/%d.jpg", 2);
  photos("m/other/%d.jpg", 2);
  make_text("m/l.csv", "file,label\n0.jpg,cat\n1.jpg,dog\n");
  fails("m/l.csv", "0.jpg may be the one in");
  make_text("m/train.csv", "file,label\n0.jpg,cat\n1.jpg,dog\n");
  opens("m/train.csv", "cat dog", 2, 0, 0, 0); /* called as the folder is */
  assert_string_equal(data->photos[0].path, in_dir("m/train/0.jpg"));
}

/* Photos on the web are fetched once; what is not there is left out and told. */
static void list_web(void **state) {
  (void)state;
  char url[64], text[512];
  http_server server = {.content = "a photo of the web", .size = 18, .etag = NULL};
  http_start(&server);
  snprintf(url, sizeof url, "http://127.0.0.1:%d", server.port);
  snprintf(text, sizeof text, "url,label\n%s/a.jpg,cat\n%s/b?id=7,dog\n%s/a.jpg,cat\n", url, url, url);
  list_of(text);
  opens("l/l.csv", "cat dog", 2, 0, 0, 0);
  told("1 line names a photo again");
  snprintf(text, sizeof text, "%s/b?id=7", url);
  assert_string_equal(data->photos[1].name, text);
  uint8_t *bytes;
  size_t size;
  assert_ok(wk_file_read(&bytes, &size, data->photos[1].path, 100, &error), &error);
  assert_int_equal(size, 18);
  assert_memory_equal(bytes, "a photo of the web", 18);
  wk_free(bytes);
  assert_int_equal(atomic_load(&server.requests), 2);
  opens("l/l.csv", "cat dog", 2, 0, 0, 0);
  assert_int_equal(atomic_load(&server.requests), 2);
  server.status = 404;
  snprintf(text, sizeof text, "url,label\n%s/a.jpg,cat\n%s/b?id=7,dog\n%s/c.jpg,dog\n", url, url, url);
  list_of(text);
  opens("l/l.csv", "cat dog", 2, 0, 0, 0);
  told("1 of its photos could not be fetched and is left out");
  told("the server answers 404");
  snprintf(text, sizeof text, "url,label\n%s/d.jpg,cat\n%s/e.jpg,dog\n", url, url);
  list_of(text);
  fails("l/l.csv", "none of its 2 photos could be fetched");
  http_stop(&server);
  assert_int_equal(wk_dataset_open(&data, "https://example.org/photos.zip", &options, &error), WK_ERR_UNSUPPORTED);
  assert_non_null(strstr(error.message, "this is a web address"));
}

/* As Oxford's pets come: annotations/trainval.txt and test.txt beside images/, and masks that are no photos. */
static void list_pets(void **state) {
  (void)state;
  photos("p/images/Abyssinian_%d.jpg", 3);
  photos("p/images/great_pyrenees_%d.jpg", 3);
  photos("p/annotations/trimaps/Abyssinian_%d.png", 3);
  make_text("p/annotations/README", "x");
  make_text("p/annotations/list.txt", "#Image CLASS-ID SPECIES BREED ID\nAbyssinian_0 1 1 1\ngreat_pyrenees_0 2 2 1\n");
  make_text("p/annotations/trainval.txt",
            "Abyssinian_0 1 1 1\nAbyssinian_1 1 1 1\ngreat_pyrenees_0 2 2 1\ngreat_pyrenees_1 2 2 1\n");
  make_text("p/annotations/test.txt", "Abyssinian_2 1 1 1\ngreat_pyrenees_2 2 2 1\n");
  opens("p/annotations/trainval.txt", "Abyssinian great_pyrenees", 4, 0, 0, 0);
  opens("p", "Abyssinian great_pyrenees", 0, 4, 0, 2);
  static const char *const known[] = {"Abyssinian", "great_pyrenees"};
  options.classes = known;
  options.class_count = 2;
  opens("p/annotations/test.txt", "Abyssinian great_pyrenees", 2, 0, 0, 0);
  assert_int_equal(data->photos[1].label, 1);
}

/* Kaggle's way: labels.csv beside train/ and test/, of photos that have no classes in their paths. */
static void list_kaggle(void **state) {
  (void)state;
  photos("k/train/%d.jpg", 4);
  photos("k/test/9%d.jpg", 2);
  make_text("k/labels.csv", "id,breed\n0,boxer\n1,pug\n2,pug\n3,boxer\n");
  make_text("k/sample_submission.csv", "id,boxer,pug\n90,0.5,0.5\n91,0.5,0.5\n");
  opens("k", "boxer pug", 4, 0, 0, 0);
  told("2 photos there are on no list");
}

/* ---- archives --------------------------------------------------------------------------------- */

static struct archive *begin(const char *relative, const char *format) {
  struct archive *a = archive_write_new();
  assert_non_null(a);
  if (strcmp(format, "zip") == 0)
    archive_write_set_format_zip(a);
  else
    archive_write_set_format_pax_restricted(a);
  if (strcmp(format, "tar.gz") == 0)
    archive_write_add_filter_gzip(a);
  assert_int_equal(archive_write_open_filename(a, in_dir(relative)), ARCHIVE_OK);
  return a;
}

static void add(struct archive *a, const char *name, const void *bytes, size_t n) {
  struct archive_entry *e = archive_entry_new();
  archive_entry_set_pathname(e, name);
  archive_entry_set_filetype(e, AE_IFREG);
  archive_entry_set_perm(e, 0644);
  archive_entry_set_size(e, (la_int64_t)n);
  assert_true(archive_write_header(a, e) >= ARCHIVE_WARN);
  assert_int_equal(archive_write_data(a, bytes, n), n);
  archive_entry_free(e);
}

static void add_link(struct archive *a, const char *name, const char *to, bool hard) {
  struct archive_entry *e = archive_entry_new();
  archive_entry_set_pathname(e, name);
  archive_entry_set_filetype(e, hard ? AE_IFREG : AE_IFLNK);
  if (hard)
    archive_entry_set_hardlink(e, to);
  else
    archive_entry_set_symlink(e, to);
  assert_true(archive_write_header(a, e) >= ARCHIVE_WARN);
  archive_entry_free(e);
}

static void end(struct archive *a) {
  assert_int_equal(archive_write_close(a), ARCHIVE_OK);
  archive_write_free(a);
}

static void four(const char *relative, const char *format, const char *one, const char *other) {
  struct archive *a = begin(relative, format);
  for (int i = 0; i < 4; i++) {
    char name[256];
    snprintf(name, sizeof name, "%s%d.jpg", i % 2 ? one : other, i);
    add(a, name, name, strlen(name));
  }
  end(a);
}

/* The test runs in the C locale, as cron and ssh do. */
static void archive_names(void **state) {
  (void)state;
  static const struct {
    const char *one, *other, *classes;
  } names[] = {
      {"cat/sch\xc3\xb6n", "dog/x", "cat dog"},                            /* UTF-8 */
      {"K\x84tzchen/", "H\x81ndchen/", "H\xc3\xbcndchen K\xc3\xa4tzchen"}, /* CP437 */
      {"caf\xe9/", "ni\xf1o/", "caf\xc3\xa9 ni\xc3\xb1o"},                 /* CP1252 */
      {"\xc4\xf1/", "\xb9\xb7/", "\xe7\x8b\x97 \xe9\xb8\x9f"},             /* GBK: bird, dog */
      {"\x94\x4c/", "\x8c\xa2/", "\xe7\x8a\xac \xe7\x8c\xab"},             /* CP932 */
      {"d/cat\\", "d/dog\\", "cat dog"},                                   /* both separators */
      {"cat\\", "dog\\", "cat dog"},
      {"new\nline/", "\xf0\x9f\x90\xb1/", "new line \xf0\x9f\x90\xb1"},
  };
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    four("a.zip", "zip", names[i].one, names[i].other);
    opens("a.zip", names[i].classes, 4, 0, 0, 0);
    char begins[4200];
    snprintf(begins, sizeof begins, "%s/", in_dir("a.zip"));
    for (size_t k = 0; k < 4; k++) {
      assert_int_equal(strncmp(data->photos[k].name, begins, strlen(begins)), 0); /* not a path in the cache */
      assert_int_equal(access(data->photos[k].path, R_OK), 0);
    }
  }
}

static void archive_links(void **state) {
  (void)state;
  struct archive *a = begin("l.tar", "tar");
  for (int i = 0; i < 4; i++) {
    char name[64], link[64], to[64];
    snprintf(name, sizeof name, "all/%d.jpg", i);
    add(a, name, name, strlen(name));
    snprintf(link, sizeof link, "set/%s/%d.jpg", i % 2 ? "cat" : "dog", i);
    snprintf(to, sizeof to, i < 2 ? "../../all/%d.jpg" : "all/%d.jpg", i);
    add_link(a, link, to, i >= 2);
  }
  add_link(a, "set/cat/lost.jpg", "../../gone/9.jpg", false);
  add_link(a, "set/cat/out.jpg", "/etc/passwd", false);
  add_link(a, "set/dog/up.jpg", "../../../../../../etc/passwd", false);
  add_link(a, "set/dog/loop.jpg", "loop.jpg", false);
  end(a);
  assert_ok(open_at("l.tar"), &error);
  size_t linked = 0;
  for (size_t i = 0; i < data->photo_count; i++) {
    linked += strstr(data->photos[i].path, "/set/") != NULL;
    assert_null(strstr(data->photos[i].name, "passwd"));
  }
  assert_int_equal(linked, 4);
  told("4 of its entries are links to what is not in the archive");
  assert_ok(open_at("l.tar"), &error); /* unpacked already: told again */
  told("4 of its entries are links");
  /* A link through a link counts its steps from elsewhere. */
  a = begin("t.tar", "tar");
  add(a, "cat/0.jpg", "x", 1);
  add(a, "dog/0.jpg", "x", 1);
  add_link(a, "deep/er/still", "../../dog", false);
  add_link(a, "deep/er/still/x.jpg", "../../../../../../../../etc/passwd", false);
  end(a);
  assert_ok(open_at("t.tar"), &error);
  for (size_t i = 0; i < data->photo_count; i++) {
    char *real = realpath(data->photos[i].path, NULL);
    assert_non_null(real);
    assert_non_null(strstr(real, ".unpacked"));
    free(real);
  }
}

static void archives_in_folder(void **state) {
  (void)state;
  assert_int_equal(wk_mkdir_p(in_dir("d"), NULL), WK_OK);
  four("d/cat.zip", "zip", "a", "b");
  four("d/dog.tar.gz", "tar.gz", "a", "b");
  opens("d", "cat dog", 8, 0, 0, 0);
  four("d/train.zip", "zip", "cat/", "dog/");
  unlink(in_dir("d/cat.zip"));
  unlink(in_dir("d/dog.tar.gz"));
  four("d/test.zip", "zip", "cat/t", "dog/t");
  opens("d", "cat dog", 0, 4, 0, 4);
  photos("e/cat", 2);
  photos("e/dog", 2);
  four("e/download.zip", "zip", "x/", "y/"); /* where it all came from */
  opens("e", "cat dog", 4, 0, 0, 0);
  told("1 archive lies beside the photos");
  /* An archive of archives, as Kaggle's; one more round is refused. */
  uint8_t *bytes;
  size_t n;
  const char *inner = "d/train.zip";
  static const char *const outer[] = {"o1.zip", "o2.zip", "o3.zip", "o4.zip"};
  for (size_t i = 0; i < 4; i++) {
    assert_ok(wk_file_read(&bytes, &n, in_dir(inner), 1 << 20, &error), &error);
    struct archive *a = begin(outer[i], "zip");
    add(a, "train.zip", bytes, n);
    end(a);
    wk_free(bytes);
    inner = outer[i];
    if (i < 2)
      opens(outer[i], "cat dog", 0, 4, 0, 0);
    else
      fails(outer[i], "archives in archives");
  }
}

static bool after_some(void *user) {
  int *calls = user;
  return ++*calls > 300;
}

static void archive_cancelled(void **state) {
  (void)state;
  struct archive *a = begin("many.tar", "tar");
  char name[64];
  for (int i = 0; i < 5000; i++) {
    snprintf(name, sizeof name, "cat/%d.jpg", i);
    add(a, name, "", 0);
  }
  end(a);
  wk_context ctx;
  wk_context_init(&ctx);
  int calls = 0;
  ctx.cancelled = after_some;
  ctx.user = &calls;
  options.ctx = &ctx;
  assert_int_equal(open_at("many.tar"), WK_ERR_CANCELLED);
  assert_true(calls < 310); /* looked at with every entry */
}

/* ---- packed ----------------------------------------------------------------------------------- */

static void put32(uint8_t *to, uint32_t v) {
  for (int i = 0; i < 4; i++)
    to[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* Photo i is of class i % 3, its dots are 10 * i + x. */
static size_t idx_images(uint8_t *to, uint32_t n) {
  put32(to, 0x803);
  put32(to + 4, n);
  put32(to + 8, 2);
  put32(to + 12, 3);
  for (uint32_t i = 0; i < n * 6; i++)
    to[16 + i] = (uint8_t)(10 * (i / 6) + i % 6);
  return 16 + n * 6;
}

static size_t idx_labels(uint8_t *to, uint32_t n) {
  put32(to, 0x801);
  put32(to + 4, n);
  for (uint32_t i = 0; i < n; i++)
    to[8 + i] = (uint8_t)(i % 3);
  return 8 + n;
}

static void make_gz(const char *relative, const void *bytes, size_t n) {
  struct archive *a = archive_write_new();
  archive_write_set_format_raw(a);
  archive_write_add_filter_gzip(a);
  assert_int_equal(archive_write_open_filename(a, in_dir(relative)), ARCHIVE_OK);
  add(a, "x", bytes, n);
  end(a);
}

static void dot_is(size_t photo, int x, int y, int r, int g, int b) {
  wk_image im = {0};
  assert_ok(wk_photo_load(&im, data->photos[photo].path, NULL, &error), &error);
  const uint8_t *p = im.pixels + 3 * (y * im.width + x);
  if (p[0] != r || p[1] != g || p[2] != b)
    fail_msg("photo %zu has %d %d %d at %d,%d", photo, p[0], p[1], p[2], x, y);
  wk_image_free(&im);
}

static void mnist(void **state) {
  (void)state;
  uint8_t bytes[256];
  for (int gz = 0; gz < 2; gz++) {
    void (*write)(const char *, const void *, size_t) = gz ? make_gz : make_bytes;
    const char *set = gz ? "gz" : "raw";
    char name[128];
    assert_int_equal(wk_mkdir_p(in_dir(set), NULL), WK_OK);
    for (int test = 0; test < 2; test++) {
      snprintf(name, sizeof name, "%s/%s-images-idx3-ubyte%s", set, test ? "t10k" : "train", gz ? ".gz" : "");
      write(name, bytes, idx_images(bytes, test ? 3 : 6));
      snprintf(name, sizeof name, "%s/%s-labels-idx1-ubyte%s", set, test ? "t10k" : "train", gz ? ".gz" : "");
      write(name, bytes, idx_labels(bytes, test ? 3 : 6));
    }
    opens(set, "0 1 2", 0, 6, 0, 3);
    assert_int_equal(data->layout, WK_LAYOUT_PACKED);
    for (size_t i = 0; i < data->photo_count; i++)
      if (strstr(data->photos[i].name, "train-images-idx3-ubyte/4")) {
        assert_int_equal(data->photos[i].label, 1);
        dot_is(i, 2, 1, 45, 45, 45);
      }
    snprintf(name, sizeof name, "%s/train-images-idx3-ubyte%s", set, gz ? ".gz" : "");
    opens(name, "0 1 2", 0, 6, 0, 0);
  }
  unlink(in_dir("raw/train-labels-idx1-ubyte"));
  fails("raw", "its labels are not there");
}

enum { CIFAR = 3072 };

static void cifar_binary(void **state) {
  (void)state;
  static uint8_t bytes[4 * (CIFAR + 2)];
  for (int i = 0; i < 4; i++) {
    bytes[i * (CIFAR + 1)] = (uint8_t)(i % 2);
    for (int c = 0; c < 3; c++)
      memset(bytes + i * (CIFAR + 1) + 1 + c * 1024, 50 * c + i, 1024);
  }
  make_bytes("c/data_batch_1.bin", bytes, 4 * (CIFAR + 1));
  make_bytes("c/test_batch.bin", bytes, 2 * (CIFAR + 1));
  make_text("c/batches.meta.txt", "airplane\nautomobile\n\n");
  opens("c", "airplane automobile", 0, 4, 0, 2);
  dot_is(3, 31, 31, 3, 53, 103);
}

/* As Python 2 wrote them: a dictionary with the pixels as a string inside of NumPy's array. */
static size_t pickle_batch(uint8_t *to, int n, const char *labels) {
  uint8_t *at = to;
#define PUT(text) (memcpy(at, text, sizeof(text) - 1), at += sizeof(text) - 1)
  PUT("\x80\x02}q\x01(U\x04"
      "dataq\x02"
      "cnumpy.core.multiarray\n_reconstruct\nq\x03"
      "cnumpy\nndarray\nq\x04K\x00\x85U\x01"
      "b\x87Rq\x05(K\x01K\x02M\x00\x0c\x86"
      "cnumpy\ndtype\n"
      "q\x06U\x02u1K\x00K\x01\x87Rq\x07(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T");
  for (int i = 0; i < 4; i++)
    *at++ = (uint8_t)((unsigned)(n * CIFAR) >> 8 * i);
  for (int i = 0; i < n * CIFAR; i++)
    *at++ = (uint8_t)(i / 1024);
  PUT("tbU");
  *at++ = (uint8_t)strlen(labels);
  memcpy(at, labels, strlen(labels));
  at += strlen(labels);
  PUT("]q\x08(");
  for (int i = 0; i < n; i++) {
    *at++ = 'K';
    *at++ = (uint8_t)(i % 2);
  }
  PUT("eU\x0b"
      "batch_label"
      "U\x15"
      "training batch 1 of 5u.");
  return (size_t)(at - to);
}

static void cifar_python(void **state) {
  (void)state;
  static uint8_t bytes[4 * CIFAR + 512];
  make_bytes("p/data_batch_1", bytes, pickle_batch(bytes, 4, "labels"));
  make_bytes("p/test_batch", bytes, pickle_batch(bytes, 2, "labels"));
  static const char meta[] = "\x80\x02}q\x01(U\x0blabel_namesq\x02]q\x03(U\x08"
                             "airplaneU\nautomobileeu.";
  make_bytes("p/batches.meta", meta, sizeof meta - 1);
  opens("p", "airplane automobile", 0, 4, 0, 2);
  assert_int_equal(data->photos[1].label, 1);
  dot_is(1, 0, 0, 3, 4, 5);
  size_t n = pickle_batch(bytes, 4, "labels");
  for (size_t cut = 0; cut < n; cut += n / 40) {
    make_bytes("q/data_batch_1", bytes, cut);
    assert_int_not_equal(open_at("q"), WK_OK);
  }
}

/* ---- WebDataset ------------------------------------------------------------------------------- */

static void shards(void **state) {
  (void)state;
  assert_int_equal(wk_mkdir_p(in_dir("w"), NULL), WK_OK);
  for (int s = 0; s < 2; s++) {
    char name[64];
    snprintf(name, sizeof name, "w/pets-train-%06d.tar", s);
    struct archive *a = begin(name, "tar");
    for (int i = 0; i < 4; i++) {
      snprintf(name, sizeof name, "%s/%d%d.jpg", i % 2 ? "cat" : "dog", s, i);
      add(a, name, name, strlen(name));
      snprintf(name, sizeof name, "%s/%d%d.cls", i % 2 ? "cat" : "dog", s, i);
      add(a, name, i % 2 ? "0" : "1\n", 1);
    }
    end(a);
  }
  opens("w", "cat dog", 0, 8, 0, 0);
  told("WebDataset");
  assert_int_equal(data->layout, WK_LAYOUT_SHARDS);
  for (size_t i = 0; i < 8; i++) /* by their names below the shards, as in a folder */
    assert_int_equal(data->photos[i].label, i >= 4);
  struct archive *a = begin("j.tar", "tar");
  for (int i = 0; i < 6; i++) {
    char name[64], json[64];
    snprintf(name, sizeof name, "%06d.jpg", i);
    add(a, name, name, strlen(name));
    snprintf(name, sizeof name, "%06d.json", i);
    snprintf(json, sizeof json, "{\"label\": %d, \"label_name\": \"%s\"}", i % 2, i % 2 ? "dog" : "cat");
    add(a, name, json, strlen(json));
  }
  end(a);
  opens("j.tar", "cat dog", 6, 0, 0, 0);
  photos("t/%06d.jpg", 4);
  for (int i = 0; i < 4; i++) {
    char name[64];
    snprintf(name, sizeof name, "t/%06d.txt", i);
    make_text(name, i % 2 ? "cat\n" : "dog");
  }
  opens("t", "cat dog", 4, 0, 0, 0);
  photos("y/cat", 4);
  photos("y/dog", 4);
  for (int i = 0; i < 4; i++) { /* captions beside photos in class folders are no classes */
    char name[64];
    snprintf(name, sizeof name, "y/cat/%d.txt", i);
    make_text(name, "a cat");
    snprintf(name, sizeof name, "y/dog/%d.txt", i);
    make_text(name, "a dog");
  }
  opens("y", "cat dog", 8, 0, 0, 0);
  assert_int_equal(data->layout, WK_LAYOUT_CLASS_FOLDERS);
}

/* ---- names ------------------------------------------------------------------------------------ */

static void names(void **state) {
  (void)state;
  photos("a/Cat", 2);
  photos("a/cat", 2);
  photos("a/dog", 2);
  opens("a", "Cat cat dog", 6, 0, 0, 0);
  told("\"Cat\" and \"cat\" differ in capital letters only");
  photos("b/caf\xe9", 2);
  photos("b/caf\xc3\xa9", 2);
  fails("b", "two classes are both called");
  photos("c/caf\xe9", 2);
  photos("c/dog", 2);
  static const char *const known[] = {"caf\xc3\xa9", "dog"};
  options.classes = known;
  options.class_count = 2;
  opens("c", "caf\xc3\xa9 dog", 4, 0, 0, 0);
}

/* ---- copies ----------------------------------------------------------------------------------- */

/* A picture of its own for every `what`, of any size. */
static void picture(const char *relative, int what, int width, int height) {
  wk_image im;
  assert_ok(wk_image_alloc(&im, width, height, &error), &error);
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      int block = y * 6 / height * 6 + x * 6 / width;
      wk_rng rng;
      wk_rng_init(&rng, (uint64_t)what, (uint64_t)block);
      memset(im.pixels + 3 * (y * width + x), (int)wk_rng_below(&rng, 256), 3);
    }
  make_text(relative, "");
  assert_ok(wk_image_save_png(&im, in_dir(relative), &error), &error);
  wk_image_free(&im);
}

static void copies(void **state) {
  (void)state;
  static const struct {
    const char *file;
    int what, width;
    uint32_t group;
  } want[] = {{"0.png", 1, 180, 0}, {"1.png", 2, 180, 1}, {"2.png", 1, 180, 0},
              {"3.png", 3, 180, 3}, {"4.png", 2, 180, 1}, {"5.png", 1, 360, 0} /* another size */,
              {"6.png", 4, 180, 6}};
  enum { N = sizeof want / sizeof *want };
  const char *path[N + 1];
  char paths[N + 1][256];
  uint32_t group[N + 1];
  for (int i = 0; i <= N; i++) {
    snprintf(paths[i], sizeof paths[i], "%s/%d.png", dir, i);
    path[i] = paths[i];
    if (i < N)
      picture(want[i].file, want[i].what, want[i].width, 4 * want[i].width / 5);
  }
  for (int round = 0; round < 2; round++) { /* the second time from what was kept */
    wk_prints *p;
    assert_ok(wk_prints_compute(&p, path, N + 1, dir, NULL, &error), &error);
    assert_ok(wk_prints_group(group, p, NULL, &error), &error);
    for (uint32_t i = 0; i < N; i++)
      assert_int_equal(group[i], want[i].group);
    assert_int_equal(group[N], N); /* not there */
    assert_true(wk_prints_get(p, N).content == 0);
    assert_true(wk_prints_get(p, 0).content == wk_prints_get(p, 2).content);
    assert_true(wk_prints_get(p, 0).content != wk_prints_get(p, 5).content);
    wk_prints_free(p);
  }
}

/* Never a group on both sides, about the fraction in every class, and without copies the same split as ever. */
static void split_groups(void **state) {
  (void)state;
  enum { N = 120 };
  int label[N];
  uint32_t group[N];
  bool held[N], plain[N];
  for (int size = 1; size <= 6; size++)
    for (uint64_t seed = 0; seed < 20; seed++) {
      size_t out[2] = {0};
      for (int i = 0; i < N; i++) {
        group[i] = (uint32_t)(i - i % size);
        label[i] = i / size % 2;
      }
      assert_ok(wk_split_grouped(held, label, group, N, 2, 0.2, seed, &error), &error);
      for (int i = 0; i < N; i++) {
        assert_int_equal(held[i], held[group[i]]);
        out[label[i]] += held[i];
      }
      assert_true(out[0] >= 6 && out[0] <= 12 && out[1] >= 6 && out[1] <= 12);
      assert_ok(wk_split_stratified(plain, label, N, 2, 0.2, seed, &error), &error);
      if (size == 1)
        assert_memory_equal(held, plain, sizeof held);
    }
  for (int i = 0; i < N; i++) { /* one photo a class, and copies of it: none can be held out */
    label[i] = i % 2;
    group[i] = (uint32_t)(i % 2);
  }
  assert_ok(wk_split_grouped(held, label, group, N, 2, 0.2, 1, &error), &error);
  for (int i = 0; i < N; i++)
    assert_false(held[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
      T(split_names),
      T(beside_splits),
      T(unclear_splits),
      T(class_in_name),
      T(litter),
      T(list_dialects),
      T(list_utf16),
      T(list_refused),
      T(list_web),
      T(list_pets),
      T(list_kaggle),
      T(archive_names),
      T(archive_links),
      T(archives_in_folder),
      T(archive_cancelled),
      T(mnist),
      T(cifar_binary),
      T(cifar_python),
      T(shards),
      T(names),
      T(copies),
      T(split_groups),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
