/* whisker.h - the whole public API. */
#ifndef WHISKER_H
#define WHISKER_H

#include "whisker/atlas.h"
#include "whisker/atlas_page.h"
#include "whisker/augment.h"
#include "whisker/attack.h"
#include "whisker/base.h"
#include "whisker/chart.h"
#include "whisker/check.h"
#include "whisker/data.h"
#include "whisker/draw.h"
#include "whisker/formats.h"
#include "whisker/gallery.h"
#include "whisker/image.h"
#include "whisker/learn.h"
#include "whisker/lens.h"
#include "whisker/look.h"
#include "whisker/look_cam.h"
#include "whisker/look_features.h"
#include "whisker/look_filters.h"
#include "whisker/look_view.h"
#include "whisker/model.h"
#include "whisker/nn.h"
#include "whisker/train.h"
#include "whisker/train_nn.h"
#include "whisker/tune.h"
#include "whisker/zoo.h"

#endif
