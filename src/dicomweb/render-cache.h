/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures that were rendered lately, and the turns of those who render.
 *
 * Who asks for a picture that is not there gets the turn to make it; who asks for the same one
 * meanwhile waits for that.  What was used longest ago goes first when there is no more room.
 *
 * Ownership  cor_dicomweb_priv_render_cache_new() gives a cache to free.  Pictures are shared
 *            bytes.
 * Threads    Thread-safe.
 * Blocking   begin() waits while another thread makes the same picture; the others never.
 * Errors     NOMEM of new(); later it only means that something is not kept.
 * Units      Bytes.
 */
#pragma once

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define COR_RENDER_KEY_SIZE ((size_t) 320)

typedef struct CorRenderCache CorRenderCache;

/** Make a cache.  With max_bytes 0 it keeps nothing, and everybody has a turn at once. */
COR_MUSTCHECK bool cor_dicomweb_priv_render_cache_new(size_t max_bytes, CorRenderCache **ret_cache,
                                                      CorError *err);

/** Free a cache that nobody uses any more.  NULL is ignored. */
void cor_dicomweb_priv_render_cache_free(CorRenderCache *cache);
COR_DEFINE_CLEANUP(CorRenderCache, cor_dicomweb_priv_render_cache_free)

/** Look without waiting: a reference, or NULL. */
CorBytes *cor_dicomweb_priv_render_cache_find(CorRenderCache *cache, const char *key);

/**
 * Get a picture or the turn to make it.
 *
 * @param key  shorter than COR_RENDER_KEY_SIZE
 * @return a reference; or NULL, and then cor_dicomweb_priv_render_cache_end() must follow
 */
CorBytes *cor_dicomweb_priv_render_cache_begin(CorRenderCache *cache, const char *key);

/** End a turn with what was made, of which the cache takes a reference; NULL if that failed. */
void cor_dicomweb_priv_render_cache_end(CorRenderCache *cache, const char *key, CorBytes *picture);

/** Bytes that are kept, keys included. */
size_t cor_dicomweb_priv_render_cache_size(CorRenderCache *cache);
