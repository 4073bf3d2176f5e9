"""The races of the protocol (PROTOCOL 7), and which test shows that we are safe in each.

May be in here: tests of one race each, whose docstring says who failed there and why we do not. May not: a race that a
test elsewhere shows in full: the table below names that one.
Crashes at every point, one by one: tests/processes/test_crash_points.py.

R1   a crash between pop and register
     tests/races/test_workers.py::test_r01_crash_between_pop_and_register
R2   the reply of a reserve is lost, the worker lives; also when it is never idle
     tests/worker/test_worker.py::test_a_trip_breaks_and_nothing_is_lost_or_counted_twice
     tests/worker/test_worker.py::test_a_stray_job_is_found_while_the_worker_is_never_idle
     tests/processes/test_lost_replies.py::test_a_turn_breaks
R3   a client that repeats by itself
     tests/store/test_driver_faults.py::test_the_clients_own_retries_are_off
     tests/store/test_driver_faults.py::test_a_lost_reply_is_unknown_and_nothing_is_repeated
R4   the lease expires while the job runs
     tests/races/test_workers.py::test_r04_the_lease_expires_while_the_job_runs
R5   the reply of a settle is lost, and it is settled again; also with byte-equal twins
     tests/worker/test_turn_in_doubt.py::test_a_lost_reply_of_a_settle_counts_once
     tests/worker/test_turn_in_doubt.py::test_a_twin_that_came_with_a_lost_reply_runs
     tests/worker/test_hand_model.py::test_no_walk_loses_a_job_or_counts_one_twice
R6   settle against adopt
     tests/races/test_workers.py::test_r06_settle_against_adopt
R7   two recoverers
     tests/scheduler/test_recovery.py::test_two_recoverers_at_the_same_moment
     tests/scheduler/test_recovery.py::test_two_recoverers_bring_back_everything_once
R8   a recoverer dies
     tests/scheduler/test_recovery.py::test_another_host_recovers_a_recoverer_that_died
     tests/scheduler/test_recovery_in_trouble.py::test_interrupted_anywhere_it_goes_on_the_next_time
R9   a crash inside fail
     tests/races/test_workers.py::test_r09_crash_inside_fail
     tests/processes/test_lost_replies.py::test_failures_survive_lost_replies
R10  a crash inside promote
     tests/processes/test_time.py::test_r10_a_scheduler_is_killed_while_it_promotes
     tests/scheduler/test_delayed.py::test_two_schedulers_at_once_move_each_job_once
     tests/scheduler/test_delayed.py::test_a_lost_reply_loses_and_doubles_nothing
R11  a host and pid are used again
     tests/races/test_workers.py::test_r11_a_host_and_pid_are_used_again
R12  a living worker is taken for dead
     tests/scheduler/test_recovery.py::test_a_lease_that_is_renewed_at_the_last_moment_is_not_touched
     tests/processes/test_order.py::test_a_job_that_holds_the_interpreter_keeps_its_lease
R13  a failover loses the reserve
     tests/races/test_servers.py::test_r13_a_failover_loses_the_reserve
R14  a failover loses the settle
     tests/races/test_servers.py::test_r14_a_failover_loses_the_settle
R15  a failover loses the enqueue, or its reply
     tests/client/test_client_faults.py::test_a_lost_reply_is_unknown_and_there_was_one_push
     tests/client/test_client_faults.py::test_a_full_server_and_a_replica_are_not_enqueued
R16  two hosts fire one tick, or a crash inside that
     tests/processes/test_time.py::test_r16_schedulers_are_killed_while_they_fire
     tests/scheduler/test_periodic.py::test_many_schedulers_fire_each_tick_once
     tests/scheduler/test_periodic.py::test_a_lost_reply_is_no_lost_and_no_doubled_tick
R17  pause, purge, remove while a wait is armed
     tests/races/test_workers.py::test_r17_purge_and_remove_while_a_wait_is_armed
     tests/worker/test_intake.py::test_a_paused_queue_gives_its_catch_back_and_is_not_armed_until_resumed
R18  identical payloads twice in one in-flight list
     tests/worker/test_hand.py::test_reconcile_of_equal_bytes
     tests/transitions/test_finish.py::test_one_of_two_equal_payloads_is_one_job
     tests/transitions/test_fail.py::test_one_of_two_equal_payloads_is_one_job
     tests/scheduler/test_recovery.py::test_of_equal_jobs_as_many_count_a_crash_as_had_started
R19  clocks jump: the server's, the worker's
     tests/processes/test_clock_jumps.py::test_what_runs_is_not_taken_for_lost
     tests/scheduler/test_recovery_in_trouble.py::test_a_lease_in_the_far_future_is_cut
     tests/scheduler/test_recovery.py::test_an_ended_lease_is_watched_before_anything_is_taken
     tests/worker/executors/test_base.py::test_what_was_held_for_long_is_not_started
R20  all leases end at once, and a fresh recoverer is first
     tests/races/test_hosts.py::test_r20_all_leases_end_at_once_and_a_fresh_recoverer_is_first
R21  SCRIPT FLUSH, a restart
     tests/store/test_drivers.py::test_scripts_go_on_after_script_flush
     tests/processes/test_server.py::test_script_flush_and_killed_connections_all_the_time
     tests/processes/test_server.py::test_the_server_is_killed_and_restarted
R22  the user lacks one command
     tests/races/test_servers.py::test_r22_the_user_lacks_one_command
     tests/worker/test_intake.py::test_without_the_right_to_unblock_every_catch_is_kept
R23  drain with waits armed
     tests/worker/test_worker_stops.py::test_drain_with_waits_armed_loses_nothing
R24  a supervisor is stopped past its leases, then goes on
     tests/races/test_hosts.py::test_r24_a_supervisor_stands_still_past_its_leases
R25  a half-open connection receives a BLMOVE
     tests/processes/test_lost_replies.py::test_a_half_open_connection_receives_a_blmove
R26  a re-read while a reply is unread
     tests/races/test_workers.py::test_r26_a_reread_while_a_reply_is_unread
     tests/store/test_aio.py::test_a_cancelled_receive_closes_the_line
R27  Ruby removes a queue with jobs in flight
     tests/scheduler/test_audit.py::test_after_the_audit_recovery_finds_the_jobs
     tests/transitions/test_leases.py::test_audit_gives_a_list_its_queues_name_and_a_lease
R28  a payload kills its reader
     tests/processes/test_poison.py::test_a_payload_that_is_no_object_and_kills_its_reader_is_failed_at_once
     tests/processes/test_poison.py::test_a_job_that_kills_its_process_every_time_fails_after_three_crashes
     tests/scheduler/test_recovery.py::test_every_payload_is_marked_before_it_is_read
R29  WRONGTYPE in the second queue of a reserve
     tests/transitions/test_reserve.py::test_a_wrong_type_in_the_second_queue_strands_nothing

How others have failed, beside these:

deaf      alive, connected, and deaf after a reconnect
          tests/races/test_deaf.py::test_others_a_worker_is_deaf_after_a_reconnect
          tests/races/test_deaf.py::test_others_a_wait_is_cancelled_while_it_greets
          tests/worker/test_worker.py::test_redis_goes_away_and_comes_back
prefetch  jobs that were fetched ahead wait behind a slow one while others idle
          tests/processes/test_order.py::test_no_job_waits_behind_a_slow_one
          tests/worker/test_worker.py::test_what_waits_behind_a_slow_job_goes_back_after_50_ms
starved   C code holds the interpreter, the lease is not renewed
          tests/processes/test_order.py::test_a_job_that_holds_the_interpreter_keeps_its_lease
lock      a cleanup lock dies with its holder
          tests/races/test_hosts.py::test_others_a_cleanup_lock_dies_with_its_holder
bad       a cleanup is aborted by one bad entry
          tests/races/test_hosts.py::test_others_a_cleanup_is_aborted_by_one_bad_entry
          tests/scheduler/test_recovery_in_trouble.py::test_a_key_of_a_wrong_type_stops_no_other_queue
orphan    an orphan is found only at the next deploy
          tests/races/test_hosts.py::test_others_an_orphan_found_only_at_the_next_deploy
"""
