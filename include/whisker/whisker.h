/* whisker.h - the whole public API. */
#ifndef WHISKER_H
#define WHISKER_H

#include "whisker/attack.h"
#include "whisker/attribution.h"
#include "whisker/augment.h"
#include "whisker/base.h"
#include "whisker/chart.h"
#include "whisker/check.h"
#include "whisker/data.h"
#include "whisker/diff_classifier.h"
#include "whisker/draw.h"
#include "whisker/embedding_map.h"
#include "whisker/embedding_page.h"
#include "whisker/explain_input.h"
#include "whisker/feature_maps.h"
#include "whisker/filters.h"
#include "whisker/finetune.h"
#include "whisker/formats.h"
#include "whisker/gallery.h"
#include "whisker/image.h"
#include "whisker/metrics.h"
#include "whisker/model.h"
#include "whisker/nn.h"
#include "whisker/options.h"
#include "whisker/optim.h"
#include "whisker/probe.h"
#include "whisker/train_nn.h"
#include "whisker/visualize.h"
#include "whisker/zoo.h"

#endif
