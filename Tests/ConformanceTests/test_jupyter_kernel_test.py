"""The suite that the Jupyter project has for kernels, with a sample for every test: none may be skipped."""

import jupyter_kernel_test

from conftest import KERNEL_NAME


class SwiftKernelTests(jupyter_kernel_test.KernelTests):
    kernel_name = KERNEL_NAME
    language_name = "swift"
    file_extension = ".swift"

    code_hello_world = 'print("hello, world")'
    code_stderr = 'import Foundation\nFileHandle.standardError.write(Data("oh no\\n".utf8))'
    code_display_data = [
        {"code": 'display(HTML("<b>bold</b>"))', "mime": "text/html"},
        {"code": 'display(SVG("<svg xmlns=\'http://www.w3.org/2000/svg\'/>"))', "mime": "image/svg+xml"},
        {"code": 'display(Markdown("**bold**"))', "mime": "text/markdown"},
    ]
    code_clear_output = "clearOutput()"
    code_execute_result = [
        {"code": "1 + 2 + 3", "result": "6"},
        {"code": '"a" + "b"', "result": '"ab"'},
        {"code": "[1, 2].map { $0 * 10 }", "result": "[10, 20]"},
        {"code": 'Markdown("*it*")', "mime": "text/markdown", "result": "*it*"},
    ]
    code_generate_error = "let nothing: Int? = nil\nnothing!"
    code_page_something = "?print"
    code_inspect_sample = "print"
    code_history_pattern = "1 + ? + *"
    supported_history_operations = ("tail", "range", "search")

    completion_samples = [
        {"text": "[1, 2].joine"},
        {"text": '"abc".uppercas'},
    ]
    complete_code_samples = ["1", "let x = 1", "func f() -> Int {\n  1\n}", "", "// a comment", 'print("}")']
    incomplete_code_samples = ["func f() {", "let x =", "[1,", '"""\nopen', "if true {\n  f()", "/* a comment"]
    invalid_code_samples = ["let 1x = 2", "}", "func ()", "1 +* ) 2"]


class WelcomeTests(jupyter_kernel_test.IopubWelcomeTests):
    kernel_name = KERNEL_NAME
    support_iopub_welcome = True


# Base classes are no tests of their own; pytest would collect them by name.
del jupyter_kernel_test
