/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/array.h"
#include "job/job-state.h"

static const CorJobState finals[] = {COR_JOB_SUCCEEDED, COR_JOB_FAILED, COR_JOB_CANCELLED};

static void a_running_job_goes_back_to_the_queue_when_its_lease_is_lost(void **state)
{
    CorJobState job = COR_JOB_RUNNING;
    CorError err = {0};
    (void) state;

    assert_true(cor_job_move(&job, COR_JOB_QUEUED, &err));
    assert_int_equal(job, COR_JOB_QUEUED);
}

static void a_queued_or_running_job_may_end_in_every_way(void **state)
{
    static const CorJobState starts[] = {COR_JOB_QUEUED, COR_JOB_RUNNING};
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(starts); i++) {
        for (size_t j = 0; j < COR_ARRAY_LEN(finals); j++) {
            CorJobState job = starts[i];
            CorError err = {0};

            assert_true(cor_job_move(&job, finals[j], &err));
            assert_int_equal(job, finals[j]);
        }
    }
}

static void a_final_state_is_never_left(void **state)
{
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(finals); i++) {
        for (int next = 0; next < COR_JOB_STATE_COUNT_; next++) {
            CorJobState job = finals[i];
            CorError err = {0};

            assert_true(cor_job_state_is_final(job));
            assert_false(cor_job_move(&job, (CorJobState) next, &err));
            assert_int_equal(err.code, COR_ERR_CONFLICT);
            assert_int_equal(job, finals[i]); /* untouched on failure */
        }
    }
}

static void a_state_does_not_follow_itself(void **state)
{
    (void) state;

    for (int each = 0; each < COR_JOB_STATE_COUNT_; each++) {
        CorJobState job = (CorJobState) each;
        CorError err = {0};

        assert_false(cor_job_move(&job, job, &err));
        assert_int_equal(job, each);
    }
}

static void names_and_states_belong_together(void **state)
{
    CorJobState found = COR_JOB_RUNNING;
    (void) state;

    for (int each = 0; each < COR_JOB_STATE_COUNT_; each++) {
        assert_true(cor_job_state_from_name(cor_job_state_name((CorJobState) each), &found));
        assert_int_equal(found, each);
    }
    assert_false(cor_job_state_from_name("asleep", &found));
    assert_false(cor_job_state_from_name("", &found));
    assert_int_equal(found, COR_JOB_CANCELLED); /* the last one that was found */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_running_job_goes_back_to_the_queue_when_its_lease_is_lost),
        cmocka_unit_test(a_queued_or_running_job_may_end_in_every_way),
        cmocka_unit_test(a_final_state_is_never_left),
        cmocka_unit_test(a_state_does_not_follow_itself),
        cmocka_unit_test(names_and_states_belong_together),
    };

    return cmocka_run_group_tests_name("job-state", tests, NULL, NULL);
}
