/* whisker.h - the whole public API.
 *
 * Simple API: from photos to a tested model and its answers. Everything the command does is one call here.
 *
 *   #include "whisker/whisker.h"
 *
 *   wk_session *session = NULL;           // where weights and features are kept, threads, progress, cancel
 *   wk_model *model = NULL;
 *   wk_train_report *report = NULL;
 *   wk_predictions *answer = NULL;
 *   wk_error err;
 *   const char *photo = "new.jpg";
 *   if (wk_session_open(&session, NULL, &err) != WK_OK ||
 *       wk_train(&model, &report, session, "photos", NULL, &err) != WK_OK ||   // one sub-folder a class
 *       wk_save(model, "mine.whisker", &err) != WK_OK ||
 *       wk_predict(&answer, session, model, &photo, 1, NULL, &err) != WK_OK)
 *     fprintf(stderr, "%s\n", err.message);
 *   else
 *     printf("%s %.1f%%; right on %.1f%% of %zu photos it did not learn from\n", answer->photos[0].top[0].label,
 *            100 * answer->photos[0].top[0].p, 100 * report->val_top1.value, report->val_count);
 *   wk_predictions_free(answer);
 *   wk_train_report_free(report);
 *   wk_model_free(model);
 *   wk_session_close(session);
 *
 * NULL for the options means the defaults; wk_train_options_init and its kin give them to change. examples/ has whole programs. */
#ifndef WHISKER_H
#define WHISKER_H

/* ---- the simple API ---------------------------------------------------------------------------- */

#include "whisker/session.h"
#include "whisker/training.h"
#include "whisker/answers.h"
#include "whisker/export_model.h"
#include "whisker/explain.h"
#include "whisker/insight.h"
#include "whisker/sorting.h"
#include "whisker/studio.h"
#include "whisker/contact_sheet.h"

/* ---- the parts, for those who want them -------------------------------------------------------- */

#include "whisker/attack.h"
#include "whisker/attribution.h"
#include "whisker/augment.h"
#include "whisker/base.h"
#include "whisker/chart.h"
#include "whisker/check.h"
#include "whisker/clock.h"
#include "whisker/collection.h"
#include "whisker/data.h"
#include "whisker/datasets.h"
#include "whisker/diff_classifier.h"
#include "whisker/draw.h"
#include "whisker/embedding_map.h"
#include "whisker/embedding_page.h"
#include "whisker/explain_input.h"
#include "whisker/export.h"
#include "whisker/feature_maps.h"
#include "whisker/filters.h"
#include "whisker/finetune.h"
#include "whisker/formats.h"
#include "whisker/gallery.h"
#include "whisker/image.h"
#include "whisker/import.h"
#include "whisker/mapped.h"
#include "whisker/metrics.h"
#include "whisker/model.h"
#include "whisker/nn.h"
#include "whisker/network.h"
#include "whisker/optim.h"
#include "whisker/options.h"
#include "whisker/output.h"
#include "whisker/photo_hash.h"
#include "whisker/probe.h"
#include "whisker/train_nn.h"
#include "whisker/utf8.h"
#include "whisker/visualize.h"
#include "whisker/zoo.h"

#endif
