"""What users of other provisioners complain about most, and the CVE classes of those programs: which test here would fail if we had it too.

Each pain names tests that exist, or says in a sentence why there is none. A test that is renamed must be renamed here.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

PAINS: dict[str, tuple[str, ...] | str] = {
    "1 a server that restarts in the middle of an install leaves its node stuck": (
        "e2e/test_e2e_crash.py::test_a_kill_at_every_event_and_effect",
        "e2e/test_e2e_restart.py::test_an_attempt_that_was_handed_out_and_not_fetched_is_handed_out_again",
        "images/test_images_agent.py::test_server_down_then_up",
    ),
    "2 work of an earlier boot is taken up again": (
        "core/test_core_attempt_deaths.py::test_a_restart_after_a_resume_asks_and_does_not_start",
        "images/test_images_attempt.py::test_lost_after_a_reboot",
        "serve/test_serve_http_callers.py::test_an_old_boot_is_told_apart_from_a_forgery",
    ),
    "3 no retry of a single action": (
        "core/test_core_attempt_ends.py::test_a_retry_time_is_lifted_by_its_tick_alone",
        "core/test_core_operate_done.py::test_skip_lets_children_go_on_and_a_suspended_attempt_is_ended_by_a_boot",
    ),
    "4 the worker's error never reaches the operator": ("faults/test_faults_machines.py::test_a_disk_that_fails_in_the_install",),
    "4b no progress within a step": (
        "images/test_images_agent.py::test_hello_task_progress_log_result",
        "core/test_core_boot_signals.py::test_each_signal_is_shown_and_sets_the_next_deadline",
    ),
    "5 a message lacks the thing that it is about": (
        "core/test_architecture.py::test_every_reason_that_is_given_exists_with_these_fields",
    ),
    "6 inspecting for ever, and then only a time-out": (
        "core/test_core_boot_strangers.py::test_a_sighting_s_deadline_gives_a_reason_and_no_power_action",
        "core/test_core_advice.py::test_why_of_a_problem_has_the_last_signal",
        "faults/test_faults_machines.py::test_a_node_that_never_calls_back",
    ),
    "7 the system is installed and the callback is lost": (
        "faults/test_faults_network.py::test_packets_are_doubled_reordered_or_calls_repeated",
        "core/test_core_boot_problems.py::test_a_late_hello_of_an_installed_system_ends_a_problem",
    ),
    "8 stuck in a state whose only cure is a restart": (
        "core/test_core_power_verbs.py::test_cycle_is_a_fresh_boot_and_forgets_a_problem",
        "core/test_core_power_verbs.py::test_a_running_attempt_is_not_cut_off_unless_forced",
        "core/test_core_operate_done.py::test_skip_lets_children_go_on_and_a_suspended_attempt_is_ended_by_a_boot",
    ),
    "9 a second DHCP server": (
        "faults/test_faults_network.py::test_a_second_dhcp_server_that_names_a_boot_file",
        "faults/test_faults_network.py::test_a_second_dhcp_server_without_boot_files_is_borne",
        "doctor/test_doctor_checks.py::test_only_an_offer_to_us_counts",
    ),
    "10 proxy DHCP that a ROM ignores": (
        "core/test_core_proxy.py::test_port_4011_is_answered_where_it_was_asked_from",
        "core/test_core_proxy.py::test_a_rom_is_told_what_to_load_and_given_nothing",
        "boot/test_boot_proxy.py::test_it_boots_with_the_other_server_s_address",
    ),
    "11 spanning tree and LACP hide a machine at boot": (
        "Not told apart: a port that forwards late and firmware that is slow both look like a late first DHCP request from here. What is "
        "tested is that late is not lost (test_slow_firmware_within_the_deadline_is_waited_for_and_beyond_it_is_a_problem)."
    ),
    "12 the next network boot after the install hangs": (
        "core/test_core_boot_by_itself.py::test_an_installed_node_that_asks_the_network_boots_its_disk",
        "rehearsal/test_rehearsal_rack.py::test_disk_boot_by_the_script_and_by_the_bmc",
        "boot/test_boot_disk.py::test_uefi",
    ),
    "13 a BMC that says yes and does nothing": (
        "power/test_power_ipmi_moods.py::test_lies_are_found_out_and_the_truth_is_told",
        "faults/test_faults_bmc.py::test_a_bmc_that_does_not_do_it",
    ),
    "14 IPMI under load, locked accounts, power loops": (
        "power/test_power_gate.py::test_refused_logins_wait_longer_each_time_and_a_good_one_forgets",
        "power/test_power_ipmi_line.py::test_a_quick_bmc_is_asked_again_quickly",
        "power/test_power_ipmi.py::test_hundred_bmcs_from_sixteen_threads",
        "core/test_core_power_verbs.py::test_off_parks_the_node_and_nothing_fights_it",
    ),
    "15 no LLDP, and no word why": (
        "topology/test_topology_links.py::test_each_cable_has_its_word",
        "topology/test_topology_links.py::test_the_cable_of_a_bmc_is_silent_unless_a_relay_tells_its_port",
    ),
    "16 no LLDP at all": (
        "rehearsal/test_rehearsal_rack.py::test_inventory_and_neighbours",
        "faults/test_faults_network.py::test_swapped_and_missing_cables",
    ),
    "17 discovery that needs packages from outside": (
        "rehearsal/test_rehearsal_namespace.py::test_from_power_off_to_installed_on_real_ports",
    ),
    "18 slow at a few thousand objects": (
        "faults/test_faults_large_store.py::test_it_is_served",
        "bench/test_bench_core.py::test_a_start_costs_the_same_a_node_in_every_rack",
    ),
    "19 no connection to the outside is an afterthought": (
        "Nothing here reaches outside while it brings a rack up (see 17); one bundle of everything is not made yet."
    ),
    "20 a loader that hangs on some cards": (
        "core/test_core_loaders_next.py::test_each_that_hangs_is_followed_by_the_next_and_the_node_says_so",
        "core/test_core_loaders.py::test_which_one_answered_is_recorded_and_becomes_the_node_s",
    ),
    "21 a discovery image that is too large": (
        "The size of the image is a figure of its build, not of this program: docs/benchmarks.md has it."
    ),
    "22 a machine that is discovered on the wrong port": (
        "faults/test_faults_machines.py::test_a_node_that_boots_from_the_wrong_nic_is_served_all_the_same",
        "core/test_core_identity.py::test_another_port_of_it_is_no_other_machine",
    ),
    "23 MACs, serials and UUIDs that two machines have": (
        "faults/test_faults_identity.py::test_twins",
        "faults/test_faults_identity.py::test_two_machines_with_one_mac",
        "core/test_core_identity.py::test_junk_serials_identify_nobody",
    ),
    "24 races between DHCP, leases and configuration": (
        "core/test_core_leases.py::test_the_lease_is_in_the_rows_that_are_committed_before_the_answer_leaves",
        "core/test_core_properties.py::test_the_same_recorded_events_give_the_same_world",
    ),
    "25 a rack that loses DHCP with the link to its head office": "There is no head office: one process on the admin node does all.",
    "26 a failed machine goes back to the free ones": ("core/test_core_operate_plan.py::test_a_node_with_a_problem_is_not_given_away",),
    "27 many machines at once": (
        "serve/test_serve_tftp.py::test_a_hundred_clients_at_once",
        "faults/test_faults_large_rack.py::test_with_every_fifth_packet_lost_on_every_protocol_fifty_nodes_become_ready",
    ),
    "28 nobody finds the box": (
        "core/test_core_power_verbs.py::test_status_and_light",
        "topology/test_topology_links.py::test_the_place_follows_from_most_links",
    ),
}

CLASSES: dict[str, tuple[str, ...] | str] = {
    "calls that ask nobody who they are": (
        "abuse/test_abuse_classes.py::test_a_call_without_a_token_is_refused_unless_its_route_is_declared_public",
        "abuse/test_abuse_classes.py::test_a_route_cannot_be_written_without_saying_who_may_call_it",
        "abuse/test_abuse_classes.py::test_knowing_a_mac_or_an_id_opens_nothing",
    ),
    "mass assignment": ("abuse/test_abuse_classes.py::test_fields_that_a_call_does_not_take_change_nothing",),
    "templates that reach out": (
        "abuse/test_abuse_classes.py::test_a_name_template_is_words_in_braces_and_nothing_else",
        "install/test_install_answers.py::test_a_template_cannot_reach_the_attributes_of_objects",
    ),
    "shell injection": (
        "abuse/test_abuse_classes.py::test_the_engine_has_no_shell",
        "abuse/test_abuse_classes.py::test_attributes_travel_as_data_and_the_nodes_own_tools_do_not_run_them",
    ),
    "kernel arguments and boot scripts": (
        "abuse/test_abuse_classes.py::test_nothing_but_checked_words_reaches_a_boot_script",
        "abuse/test_abuse_classes.py::test_a_boot_script_has_one_line_for_each_command_whatever_the_machine_calls_itself",
    ),
    "paths": (
        "abuse/test_abuse_paths.py::test_no_route_leads_out",
        "abuse/test_abuse_classes.py::test_a_role_cannot_send_the_engines_files_to_a_node",
        "abuse/test_abuse_classes.py::test_urls_of_images_are_the_engines_own",
    ),
    "a checksum that comes after the use": (
        "abuse/test_abuse_classes.py::test_the_installer_runs_nothing_of_an_image_before_its_checksum_is_right",
        "abuse/test_abuse_classes.py::test_an_image_that_is_not_right_is_not_served",
    ),
    "secrets in logs, files and plans": (
        "abuse/test_abuse_classes.py::test_no_secret_is_logged_shown_or_journalled",
        "abuse/test_abuse_classes.py::test_files_with_secrets_are_for_their_owner_alone",
        "abuse/test_abuse_classes.py::test_a_plan_holds_references_and_a_value_in_it_is_refused_unseen",
    ),
    "guessable secrets": ("abuse/test_abuse_classes.py::test_nonces_and_tokens_come_from_the_systems_random_source",),
    "parsers that a packet can break": (
        "abuse/test_abuse_decode.py::test_dhcp_packets_are_read_or_refused_and_what_is_read_can_be_decided",
        "abuse/test_abuse_decode.py::test_lldp_frames_are_read_or_refused",
        "abuse/test_abuse_ipmi.py::test_ipmi_replies_are_used_or_refused",
    ),
    "no bound on what strangers send": (
        "abuse/test_abuse_flood.py::test_it_stands_a_flood",
        "abuse/test_abuse_flood.py::test_slow_clients_and_oversized_bodies_hold_nothing",
        "topology/test_topology_links.py::test_invented_switches_are_bounded_and_look_like_nobody",
        "core/test_core_leases.py::test_a_full_pool_is_searched_once_and_not_by_each_who_asks",
    ),
    "credentials sent to an address of the user's": "No call here takes a URL from a user and sends a credential to it.",
    "SQL injection, stored scripts in a web page": "Statements are made of the records' own fields, and there is no web page.",
}


def functions(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("pain", [*PAINS, *CLASSES])
def test_each_pain_has_its_tests_or_says_why_not(pain: str) -> None:
    answer = (PAINS | CLASSES)[pain]
    if isinstance(answer, str):
        assert len(answer) > 40
        assert answer.endswith((".", ")."))
        return
    assert answer
    for one in answer:
        file, _, name = one.partition("::")
        assert (TESTS / file).is_file(), one
        assert name in functions(TESTS / file), one


def test_all_of_them_are_here() -> None:
    assert [pain.split()[0] for pain in PAINS] == [*"1 2 3 4 4b".split(), *map(str, range(5, 29))]
