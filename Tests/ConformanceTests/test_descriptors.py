"""A cell that closes what it prints to, or uses up all descriptors, does it to itself alone."""

import pytest

CLOSING = {
    "close": "close(1)",
    "fclose": "fclose(stdout)",
    "FileHandle": "try FileHandle.standardOutput.close()",
    "both": "close(1); close(2)",
    "/dev/null": 'let null = open("/dev/null", O_WRONLY); dup2(null, 1)',
    "everything": "for descriptor in 0..<4096 { close(Int32(descriptor)) }",
    "freopen": 'freopen("/dev/null", "w", stdout)',
}


@pytest.mark.parametrize("how", CLOSING)
def test_the_next_cell_prints_again(own_kernel, how):
    kernel = own_kernel
    kernel.run("import Foundation")
    assert kernel.run(f'print("before")\n{CLOSING[how]}\n()').stream() == "before\n"
    cell = """
        print("print"); puts("puts"); fputs("fputs\\n", stdout)
        FileHandle.standardOutput.write(Data("handle\\n".utf8)); system("echo system"); fputs("error\\n", stderr)
        ()
    """
    outcome = kernel.run(cell)
    assert outcome.stream() == "print\nputs\nfputs\nhandle\nsystem\n"
    assert outcome.stream("stderr") == "error\n"


def test_a_cell_that_closed_its_output_is_heard_again(kernel):
    assert kernel.run('import Foundation\nprint("a"); close(1); print("b")').stream() == "a\nb\n"


def test_descriptors_that_are_used_up_are_told_and_can_be_given_back(own_kernel):
    kernel = own_kernel
    kernel.run(
        """
        import Foundation
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(7), &limit)
        limit.rlim_cur = min(limit.rlim_cur, 1024)
        setrlimit(__rlimit_resource_t(7), &limit)
        var open: [Int32] = []
        """
    )
    kernel.run('while true { let one = Glibc.open("/dev/null", O_RDONLY); if one < 0 { break }; open.append(one) }')
    outcome = kernel.run("print(open.count > 500)")
    assert outcome.stream() == "true\n"
    assert "descriptors" in outcome.stream("stderr") and "1024" in outcome.stream("stderr")
    assert kernel.run("print(1)").stream("stderr") == ""
    assert kernel.run("for one in open { close(one) }").status == "ok"
    assert kernel.run('String(try String(contentsOfFile: "/proc/self/comm", encoding: .utf8).isEmpty)').result == '"false"'
