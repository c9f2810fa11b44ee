"""Names in what a user reads are the notebook's: none of a module, an executable or a folder of the kernel's own."""

import re

import pytest


@pytest.mark.parametrize(
    "code",
    [
        'NSLog("a line")',
        "import Glibc\nopenlog(nil, LOG_PERROR, LOG_USER)\nwithVaList([]) { vsyslog(LOG_INFO, \"a line\", $0) }",
    ],
)
def test_a_log_line_names_no_process_of_the_kernel(kernel, code):
    outcome = kernel.run("import Foundation\n" + code)
    said = outcome.stream("stderr")
    assert "a line" in said
    assert "notebook" in said and "icl" not in said


def test_places_are_those_of_the_cell_however_many_modules_there_were(kernel):
    kernel.run("1", user_expressions={"a": "1", "b": "2"})
    kernel.execute("missing")
    kernel.run("1", silent=True)
    outcome = kernel.run("print(#function, #fileID, #file)\nstruct Own {}\nprint(String(reflecting: Own.self))")
    count = outcome.content["execution_count"]
    assert outcome.stream() == f"In[{count}] In{count}/In[{count}] In[{count}]\nIn{count}.Own\n"
    outcome = kernel.execute("import NoSuchModule")
    assert f"In[{outcome.content['execution_count']}]:1:8: error: no such module" in re.sub(
        r"\x1b\[[0-9;]*m", "", outcome.explanation
    )


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGUSR1"])
def test_a_signal_that_ends_the_host_is_told_by_name(own_kernel, name):
    outcome = own_kernel.execute(f"import Glibc\nkill(getpid(), {name})\nsleep(5)")
    assert outcome.status == "error"
    assert f"killed by {name}" in outcome.explanation
    assert "(signal" not in outcome.explanation
