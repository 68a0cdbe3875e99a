/* datasets.c - the table of well-known sets of photos, and fetching one. Hashes are those that are published by others
 * who check them (TensorFlow Datasets, PyTorch's tutorials); where there is none, none is made up. */
#include "whisker/datasets.h"

#include <string.h>
#include <strings.h>

#include "zoo/fetch.h"

/* What messages end with when a set cannot be fetched. */
#define HINT "WHISKER_MIRROR may name a folder or an address that has the file"

static const wk_dataset_info sets[] = {
    {"beans",
     "Beans: leaves, healthy or ill",
     3,
     1295,
     "MIT",
     "Makerere AI Lab, Bean disease dataset, 2020, github.com/AI-Lab-Makerere/ibean",
     NULL,
     {{"https://storage.googleapis.com/ibeans/train.zip", "train.zip",
       "284fe8456ce20687f4367ae7ad94a64577e7f9fde2c2c6b1c74340ab5dc82715", 143812152},
      {"https://storage.googleapis.com/ibeans/validation.zip", "validation.zip",
       "90b7aa1c26d91d9afff07a30bbc67a5ea34f1f1397f068d8675be09d7d0c602d", 18504213},
      {"https://storage.googleapis.com/ibeans/test.zip", "test.zip",
       "ca67b15d960d1e2fd9d23fd8498ce86818ead90755c630a43baf19ec4af09312", 17708541}},
     3},
    {"cats-dogs",
     "Cats and dogs (Asirra)",
     2,
     25000,
     "research; Microsoft's terms with the download",
     "Elson, Douceur, Howell, Saul: Asirra: a CAPTCHA that exploits interest-aligned manual image categorization, CCS "
     "2007",
     NULL,
     {{"https://download.microsoft.com/download/3/E/1/3E1C3F21-ECDB-4869-8368-6DEBA77B919F/kagglecatsanddogs_5340.zip",
       "kagglecatsanddogs_5340.zip", "b7974bd00a84a99921f36ee4403f089853777b5ae8d151c76a86e64900334af9", 0}},
     1},
    {"cifar10",
     "CIFAR-10",
     10,
     60000,
     "none stated; cite the report",
     "Krizhevsky: Learning multiple layers of features from tiny images, 2009",
     NULL,
     {{"https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", "cifar-10-binary.tar.gz",
       "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd", 170052171}},
     1},
    {"cifar100",
     "CIFAR-100",
     100,
     60000,
     "none stated; cite the report",
     "Krizhevsky: Learning multiple layers of features from tiny images, 2009",
     NULL,
     {{"https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz", "cifar-100-binary.tar.gz",
       "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec", 168513733}},
     1},
    {"flowers",
     "Flowers (TensorFlow)",
     5,
     3670,
     "CC-BY, photographers in LICENSE.txt",
     "The TensorFlow Team: Flowers, 2019",
     NULL,
     {{"https://storage.googleapis.com/download.tensorflow.org/example_images/flower_photos.tgz", "flower_photos.tgz",
       "4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c", 228813984}},
     1},
    {"hymenoptera",
     "Ants and bees",
     2,
     397,
     "none stated; a small part of ImageNet",
     "PyTorch: Transfer learning for computer vision tutorial",
     NULL,
     {{"https://download.pytorch.org/tutorial/hymenoptera_data.zip", "hymenoptera_data.zip",
       "fbc41b31d544714d18dd1230b1e2b455e1557766e13e67f9f5a7a23af7c02209", 47286322}},
     1},
    {"mnist",
     "MNIST: handwritten digits",
     10,
     70000,
     "CC BY-SA 3.0",
     "LeCun, Cortes, Burges: The MNIST database of handwritten digits, 1998",
     NULL,
     {{"https://storage.googleapis.com/cvdf-datasets/mnist/train-images-idx3-ubyte.gz", "train-images-idx3-ubyte.gz",
       "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609", 9912422},
      {"https://storage.googleapis.com/cvdf-datasets/mnist/train-labels-idx1-ubyte.gz", "train-labels-idx1-ubyte.gz",
       "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c", 28881},
      {"https://storage.googleapis.com/cvdf-datasets/mnist/t10k-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte.gz",
       "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6", 1648877},
      {"https://storage.googleapis.com/cvdf-datasets/mnist/t10k-labels-idx1-ubyte.gz", "t10k-labels-idx1-ubyte.gz",
       "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6", 4542}},
     4},
    {"pets",
     "Oxford-IIIT Pets",
     37,
     7390,
     "CC BY-SA 4.0",
     "Parkhi, Vedaldi, Zisserman, Jawahar: Cats and dogs, CVPR 2012",
     "--labels-from name",
     {{"https://www.robots.ox.ac.uk/~vgg/data/pets/data/images.tar.gz", "images.tar.gz",
       "67195c5e1c01f1ab5f9b6a5d22b8c27a580d896ece458917e61d459337fa318d", 791918971}},
     1},
};

int wk_dataset_info_count(void) { return (int)(sizeof sets / sizeof *sets); }

const wk_dataset_info *wk_dataset_info_at(int index) {
  return index >= 0 && index < wk_dataset_info_count() ? &sets[index] : NULL;
}

const wk_dataset_info *wk_dataset_info_find(const char *name) {
  for (int i = 0; i < wk_dataset_info_count(); i++)
    if (strcasecmp(sets[i].name, name) == 0)
      return &sets[i];
  return NULL;
}

static wk_status get_file(char **path, const wk_dataset_file *f, const wk_pull_options *o, const wk_context *ctx,
                          wk_error *err) {
  const wk_source source = {
      .kind = WK_SOURCE_URL, .url = f->url, .file = f->file, .sha256 = f->sha256 ? f->sha256 : "", .bytes = f->bytes};
  char hex[2 * WK_SHA256_BYTES + 1];
  WK_RETURN_IF_ERROR(wk_source_pull(path, hex, &source, o, HINT, ctx, err));
  if (!f->sha256)
    wk_warn(ctx, "%s: no hash of it is published; the SHA-256 of what is here is %s", f->file, hex);
  return WK_OK;
}

wk_status wk_dataset_get(char **path, const wk_dataset_info *set, const wk_pull_options *o, const wk_context *ctx,
                         wk_error *err) {
  if (!o || !o->folder || !*o->folder)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "%s: no folder was given where it is to be kept", set->name);
  wk_status st = WK_OK;
  char *file = NULL, *folder = wk_path_join(o->folder, set->name);
  wk_pull_options here = *o;
  here.folder = folder;
  WK_FAIL_IF(!folder, err, WK_ERR_MEMORY, "out of memory");
  for (int i = 0; i < set->file_count; i++) {
    wk_free(file);
    file = NULL;
    WK_TRY(get_file(&file, &set->files[i], &here, ctx, err));
  }
  *path = set->file_count == 1 ? file : folder;
  if (set->file_count == 1)
    file = NULL;
  else
    folder = NULL;
done:
  wk_free(file);
  wk_free(folder);
  return st;
}
