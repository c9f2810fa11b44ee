"""What `swiftc` itself makes of cells, as one file: the reference for what a notebook must do with them."""

import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
import tempfile


@dataclasses.dataclass
class Answer:
    """How the program ended: what it printed, or what the compiler said of it."""

    compiles: bool
    stdout: str
    # Messages alone, in order, without places.
    errors: list
    warnings: list


def one_file(cells, language_mode="5", timeout=60):
    """Compiles the cells, one below the other, as a script (`main.swift`) and runs it."""
    with tempfile.TemporaryDirectory(prefix="icl-swiftc-") as folder:
        source = pathlib.Path(folder, "main.swift")
        source.write_text("\n".join(cells) + "\n")
        program = pathlib.Path(folder, "main")
        command = [
            toolchain() / "bin/swiftc", "-swift-version", language_mode, "-Onone", "-enable-bare-slash-regex",
            "-diagnostic-style", "llvm", "-no-color-diagnostics", source, "-o", program,
        ]  # fmt: skip
        compiled = subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd=folder)
        said = compiled.stdout + compiled.stderr
        answer = Answer(compiled.returncode == 0, "", messages(said, "error"), messages(said, "warning"))
        if answer.compiles:
            environment = os.environ | {"SWIFT_BACKTRACE": "enable=no"}
            ran = subprocess.run([program], capture_output=True, text=True, timeout=timeout, env=environment)
            answer.stdout = ran.stdout
        return answer


def messages(text, severity):
    """The compiler's messages of one severity, as they stand in what it printed."""
    return re.findall(rf"^[^\n]*?: {severity}: (.*)$", text, re.MULTILINE)


def toolchain():
    """The `usr` folder of the toolchain that the kernel takes."""
    named = os.environ.get("ICL_TOOLCHAIN")
    found = [pathlib.Path(named), pathlib.Path(named, "usr")] if named else []
    compiler = shutil.which("swiftc", path=os.environ.get("PATH", "") + ":/opt/swift/usr/bin")
    if compiler:
        found.append(pathlib.Path(compiler).resolve().parents[1])
    return next(folder for folder in found if (folder / "bin/swiftc").exists())


def plain(text):
    """Without a terminal's colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def without_group(message):
    """The compiler adds the name of a warning's group in some versions."""
    return re.sub(r" \[#[\w-]+\]$", "", message)
