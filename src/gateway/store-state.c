/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the store takes anything new.  The room left is one cheap system call and asked for each
 * time: a fast client fills a disk from the floor to the last block within a second.  The proof by
 * writing costs more and is good for a second. */
#include "gateway/gateway-priv.h"

#include "base/time.h"

enum { FRESH_MS = 1000 };

/* Prove it: a byte must get into a temporary object. */
static bool try_to_write(CorBlobStore *blobs, CorError *err)
{
    COR_CLEANUP(cor_blob_temp_freep) CorBlobTemp *temp = NULL;

    return cor_blob_temp_new(blobs, 1, &temp, err) && cor_blob_temp_write(temp, "", 1, err) &&
           cor_blob_temp_writeback(temp, err);
}

static bool has_room(CorGateway *gateway, CorError *err)
{
    int64_t floor_bytes = gateway->options.config->disk_floor_bytes;
    uint64_t free_bytes = 0;

    if (!cor_blob_space(gateway->options.blobs, &free_bytes, err)) {
        return false;
    }
    if (free_bytes < (uint64_t) floor_bytes) {
        return cor_fail(
            err, COR_ERR_UNAVAILABLE, "the disk has %llu MiB left, less than disk_floor (%llu MiB)",
            (unsigned long long) (free_bytes >> 20), (unsigned long long) (floor_bytes >> 20));
    }
    return true;
}

/* Whoever met the store while it was away tries again after pauses that grow to a minute. */
static void tell_those_who_wait(CorGateway *gateway)
{
    cor_gateway_priv_relay_hurry(gateway->relay);
    cor_deliver_store_is_back(gateway->deliver);
    gateway->hooks.store_is_back(gateway->hooks.context);
}

bool cor_gateway_priv_writable(CorGateway *gateway, CorError *err)
{
    int64_t now_ms = cor_time_ms();

    if (atomic_load(&gateway->is_draining)) {
        return cor_fail(err, COR_ERR_UNAVAILABLE, "the server is stopping");
    }
    bool is_fine = has_room(gateway, err);
    if (is_fine && now_ms - atomic_load(&gateway->store_checked_ms) < FRESH_MS &&
        atomic_load(&gateway->store_is_fine)) {
        return true;
    }
    is_fine = is_fine && try_to_write(gateway->options.blobs, err);
    bool was_fine = atomic_exchange(&gateway->store_is_fine, is_fine);
    atomic_store(&gateway->store_checked_ms, now_ms);
    if (is_fine && !was_fine) {
        tell_those_who_wait(gateway);
    }
    return is_fine;
}
