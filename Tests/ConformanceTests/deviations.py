"""What other kernels leave out of the specification, by dialect and test: each an expected failure, and the reason.

A test listed here that passes fails the run (`strict`): the list can't grow stale. Nothing is listed for our own kernel.
"""

DEVIATIONS = {
    "ipykernel": {
        # messaging.rst, "Execute": with silent the kernel will not "broadcast output on the IOPUB channel".
        "test_silent_shows_nothing": "ipykernel 7 publishes what a silent cell prints",
        "test_a_silent_error_is_replied_and_not_published": "ipykernel 7 publishes the error of a silent cell",
        # JEP 65; the specification has it since 5.5.
        "test_a_subscriber_is_welcomed[ipykernel-everything]":
            "ipykernel 7 welcomes only the first subscriber of a topic: its XPUB socket is not verbose",
        # messaging.rst: execute_input's code is a string.
        "test_after_a_signed_message_of_wrong_json_types_or_encoding_the_kernel_answers[ipykernel-code_is_a_number]":
            "ipykernel 7 takes the number for code and publishes an execute_input of it",
    },
}  # fmt: skip
