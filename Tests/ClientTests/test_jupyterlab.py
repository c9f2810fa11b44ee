"""JupyterLab in headless Chromium, used as a person does. Pictures of every step go to out/clients.

One notebook serves all tests of this file; each goes on at its end.
"""

import re

import nbformat
import pytest
from conftest import KERNEL
from lab import browser, command, lab, open_notebook, prefer_scheme
from labpage import Page
from selenium.webdriver.common.keys import Keys

WIDTH, HEIGHT = 1280, 1500


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell()])
    notebook.metadata["kernelspec"] = {"name": KERNEL, "display_name": "Swift (clients)", "language": "swift"}
    nbformat.write(notebook, folder / "client.ipynb")
    with lab(folder) as (address, token), browser(WIDTH, HEIGHT) as driver:
        open_notebook(driver, address, token, "client.ipynb")
        yield Page(driver)


def test_a_typed_cell_runs_and_shows_its_value(page, pictures):
    page.type("let count = 20 + 1")
    assert page.run().outputs == []
    # Brackets close themselves while one types; what arrives at the kernel is what was meant.
    page.type("(1...3).map { $0 * count }")
    cell = page.run()
    assert cell.wait_for("63") == "[21, 42, 63]"
    assert cell.prompt == "[2]:"
    # The Swift mode of the editor colours keywords otherwise than names.
    colours = page.script(
        "return [...document.querySelectorAll('.jp-CodeCell .cm-line')].filter(l => l.textContent.startsWith('let'))"
        ".map(l => [...l.childNodes].map(n => [n.textContent, n.nodeType == 1 ? getComputedStyle(n).color : 'none']))"
    )
    keyword, *others = colours[0]
    assert keyword[0] == "let" and keyword[1] not in [colour for _, colour in others]
    page.picture(pictures / "01-typed.png")


def test_tab_completes(page, pictures):
    page.run("/// Animals that were seen.\nlet hippopotamus = 5")
    page.type("hippopo")
    page.press(Keys.TAB)
    # Nothing else begins so; it is chosen with Enter.
    assert page.one(".jp-Completer", "hippopotamus").text.split() == ["i", "hippopotamus", "instance"]
    page.press(Keys.ENTER)
    page.until(lambda: page.text == "hippopotamus", "the completed name")
    # Of several, one chooses.
    page.type(".isM")
    page.press(Keys.TAB)
    box = page.one(".jp-Completer", "isMultiple(")
    page.picture(pictures / "02-completion.png")
    assert all(line.lower().startswith("ism") for line in box.text.splitlines() if line.startswith("is"))
    page.press(Keys.ENTER)
    page.gone(".jp-Completer")
    assert page.text.startswith("hippopotamus.isM")
    page.clear()
    # Behind an emoji the offset is still right.
    page.type('print("👩‍🔬", hippopo')
    page.press(Keys.TAB)
    page.one(".jp-Completer", "hippopotamus")
    page.press(Keys.ENTER)
    page.until(lambda: "hippopotamus" in page.text, "the completed name behind an emoji")
    assert page.text.startswith('print("👩‍🔬", hippopotamus')
    page.clear()


def test_shift_tab_explains(page, pictures):
    page.run("/// Doubles `n`, twice if need be.\nfunc double(_ n: Int, again: Bool = false) -> Int { again ? 4 * n : 2 * n }")
    page.type("double(hippo")
    page.press(*[Keys.ARROW_LEFT] * 8)
    page.press_shift(Keys.TAB)
    tooltip = page.one(".jp-Tooltip", "double")
    page.picture(pictures / "03-inspection.png")
    assert "again: Bool = false" in tooltip.text and "Doubles" in tooltip.text
    page.press(Keys.ESCAPE)
    page.gone(".jp-Tooltip")
    page.clear()


def test_a_table_a_plot_and_text_that_looks_like_markup(page, pictures):
    cell = page.run('Table(["name", "value"], [["<script>window.broken = 1</script>", "1"], ["größe", "22"]])')
    page.until(lambda: len(cell.find("table tr")) == 3, "the table")
    assert "<script>window.broken = 1</script>" in cell.find("td, th")[2].text
    assert page.script("return window.broken") is None

    cell = page.run(
        'SVG("<svg xmlns=\'http://www.w3.org/2000/svg\' width=\'300\' height=\'80\'>'
        "<polyline points='0,70 60,40 120,55 180,20 300,5' fill='none' stroke='#3b7dd8' stroke-width='3'/></svg>\")"
    )
    page.until(lambda: cell.find(".jp-OutputArea-output svg, .jp-OutputArea-output img"), "the picture")
    drawn = cell.find(".jp-OutputArea-output svg, .jp-OutputArea-output img")[0].size
    assert drawn["width"] >= 290 and drawn["height"] >= 70
    page.picture(pictures / "04-table-svg.png")


def test_an_experiment_of_the_engine_shows_its_table_and_plot(page, pictures):
    cell = page.run(
        "let result = try engine.compare(.sentiment, demonstrations: 2, queries: 4, repetitions: 2, seed: 1)\nresult")
    cell.wait_for("ICL")
    assert cell.find("table")
    plot = page.run("result.plot(.layers)")
    page.until(lambda: plot.find(".jp-OutputArea-output svg, .jp-OutputArea-output img"), "the plot")
    page.picture(pictures / "05-experiment-light.png")


def test_progress_is_shown_in_place(page, pictures):
    # Everything that the outputs ever show is written down by the page itself.
    page.script(
        "window.seen = []; new MutationObserver(() => {"
        " const all = document.querySelectorAll('.jp-OutputArea-output');"
        " const now = all.length ? all[all.length - 1].textContent.trim() : '';"
        " if (now && window.seen[window.seen.length - 1] !== now) window.seen.push(now);"
        "}).observe(document.querySelector('.jp-Notebook'), {childList: true, subtree: true, characterData: true});"
    )
    cell = page.run(
        'import Foundation\ndisplay("step 0", id: "p")\nfor step in 1...4 {\n  Thread.sleep(forTimeInterval: 0.4)\n'
        '  updateDisplay("step \\(step)", id: "p")\n}'
    )
    cell.wait_for("step 4")
    assert cell.outputs == ['step 4'] or cell.outputs == ['"step 4"']
    seen = [int(found.group(1)) for text in page.script("return window.seen") if (found := re.search(r"step (\d)", text))]
    assert seen == sorted(seen) and seen[0] < 4 == seen[-1] and len(set(seen)) >= 3, seen

    cell = page.run(
        'print("before")\nclearOutput()\nprint("half")\nThread.sleep(forTimeInterval: 0.5)\n'
        'clearOutput(wait: true)\nThread.sleep(forTimeInterval: 0.5)\nprint("after")'
    )
    cell.wait_for("after")
    assert cell.outputs == ["after"]
    assert any("half" in text for text in page.script("return window.seen"))

    cell = page.start(
        'let bar = ProgressLine("counting", total: 30)\nfor _ in 0..<30 { Thread.sleep(forTimeInterval: 0.1); bar.advance() }\n'
        'bar.finish("counted to 30")'
    )
    page.until(lambda: cell.find("progress"), "the bar")
    page.picture(pictures / "06-progress.png")
    cell.wait()
    cell.wait_for("counted to 30")
    assert not cell.find("progress")


def test_an_interrupt_keeps_every_variable(page, pictures):
    page.run("var turns = 0")
    cell = page.start('print("begun")\nwhile true { turns &+= 1 }')
    cell.wait_for("begun")
    assert cell.prompt == "[*]:"
    page.press(Keys.ESCAPE, "i", "i")
    cell.wait()
    cell.wait_for("Interrupted")
    page.picture(pictures / "07-interrupt.png")
    assert page.run("turns > 0 && count == 21").wait_for("true") == "true"


def test_errors_are_coloured_and_name_the_line(page, pictures):
    cell = page.run('let fine = 1\nlet wrong: Int = "text"')
    text = cell.wait_for("cannot convert value of type 'String'")
    assert ":2:18" in text
    assert cell.find("[class*=ansi-red], [class*=ansi-]"), "colours"
    cell = page.run("func third(_ list: [Int]) -> Int { list[2] }\nthird([1])")
    assert "third" in cell.wait_for("Index out of range")
    page.picture(pictures / "08-errors-light.png")


def test_a_question_is_answered_in_the_page(page, pictures):
    cell = page.start('let name = readLine() ?? "nobody"\nprint("hello", name)')
    page.until(lambda: cell.find("input.jp-Stdin-input"), "the field")
    page.picture(pictures / "09-question.png")

    def filled():
        # JupyterLab still moves its focus when the kernel asks at once: what is typed then goes elsewhere.
        field = cell.find("input.jp-Stdin-input")[0]
        if field.get_attribute("value") != "Größe":
            field.clear()
            field.click()
            field.send_keys("Größe")
        return field if field.get_attribute("value") == "Größe" else None

    page.until(filled, "the typed text in the field").send_keys(Keys.ENTER)
    cell.wait()
    cell.wait_for("hello Größe")


def test_the_dark_theme_shows_the_same(page, pictures):
    prefer_scheme(page.driver, "dark")
    command(page.driver, "apputils:change-theme", {"theme": "JupyterLab Dark"})
    page.until(lambda: page.all("body[data-jp-theme-light=false]"), "the dark theme")
    page.run('Table(["dark", "table"], [["a", "1"], ["b", "2"]])').wait_for("dark")
    plot = page.run("result.plot(.layers)")
    page.until(lambda: plot.find(".jp-OutputArea-output svg, .jp-OutputArea-output img"), "the plot")
    page.run('let wrong: Int = "text"').wait_for("cannot convert")
    page.picture(pictures / "10-dark.png")
    prefer_scheme(page.driver, "light")
    command(page.driver, "apputils:change-theme", {"theme": "JupyterLab Light"})
    page.until(lambda: page.all("body[data-jp-theme-light=true]"), "the light theme")


def test_a_restart_begins_anew(page, pictures):
    page.press(Keys.ESCAPE, "0", "0")
    dialog = page.one(".jp-Dialog", "Restart")
    page.picture(pictures / "11-restart.png")
    dialog.find_elements("css selector", "button.jp-mod-accept")[0].click()
    page.gone(".jp-Dialog")
    cell = page.run("hippopotamus")
    cell.wait_for("cannot find 'hippopotamus' in scope")
    assert cell.prompt == "[1]:"
    assert page.run("6 * 7").wait_for("42") == "42"
    page.picture(pictures / "12-restarted.png")
