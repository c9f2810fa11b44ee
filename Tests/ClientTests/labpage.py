"""A notebook in JupyterLab as a person uses it: keys go in, and what the page shows comes back."""

import time

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

TIMEOUT = 60


class Page:
    """An open notebook with one cell selected at its end."""

    def __init__(self, driver):
        self.driver = driver

    # Keys

    def press(self, *keys):
        """Presses keys one after another."""
        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def press_shift(self, key):
        ActionChains(self.driver).key_down(Keys.SHIFT).send_keys(key).key_up(Keys.SHIFT).perform()

    def type(self, text):
        """Types into the selected cell's editor, key by key."""
        self.edit()
        ActionChains(self.driver).send_keys(text).perform()

    def paste(self, text):
        """Puts a longer text in as the clipboard would."""
        self.edit()
        self.driver.execute_cdp_cmd("Input.insertText", {"text": text})

    def edit(self):
        """Makes sure that the last cell is selected and its editor has the keyboard."""
        if not self.all(".jp-Cell.jp-mod-active:last-of-type .cm-editor.cm-focused"):
            self.until(lambda: self.all(".jp-Notebook .jp-Cell")[-1].find_elements(By.CSS_SELECTOR, ".cm-content")[0]
                       ).click()  # fmt: skip
            self.until(lambda: self.all(".jp-Cell.jp-mod-active .cm-editor.cm-focused"))

    # Cells

    def run(self, code=None):
        """Runs the selected cell with Shift-Enter, as it stands or after pasting `code`; returns it when done."""
        cell = self.start(code)
        cell.wait()
        return cell

    def start(self, code=None):
        if code is not None:
            self.paste(code)
        cell = Cell(self, self.all(".jp-Cell.jp-mod-active")[0])
        self.press_shift(Keys.ENTER)
        # Shift-Enter goes on to the next cell, here always a new one. A cell that asks at once is selected again with its
        # field, so it is the new cell that is waited for, not the old one's being left.
        self.until(lambda: cell.element.find_elements(By.XPATH, "following-sibling::*[contains(@class, 'jp-Cell')]"),
                   "a new cell below")
        return cell

    @property
    def text(self):
        """The text in the selected cell's editor."""
        return "\n".join(line.text for line in self.all(".jp-Cell.jp-mod-active .cm-line"))

    def clear(self):
        """Empties the selected cell's editor."""
        self.edit()
        ActionChains(self.driver).key_down(Keys.CONTROL).send_keys("a").key_up(Keys.CONTROL).perform()
        self.press(Keys.DELETE)
        self.until(lambda: self.text == "")

    # Looking

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector, text=""):
        """Waits for a visible element that shows `text`."""
        def look():
            return next((e for e in self.all(selector) if e.is_displayed() and text in e.text), None)

        return self.until(look, f"an element {selector} with {text!r}")

    def gone(self, selector):
        self.until(lambda: not any(e.is_displayed() for e in self.all(selector)), f"{selector} going away")

    def until(self, condition, what="the page", timeout=TIMEOUT):
        deadline = time.monotonic() + timeout
        while True:
            try:
                if value := condition():
                    return value
            except (StaleElementReferenceException, IndexError):
                pass
            if time.monotonic() > deadline:
                raise AssertionError(f"{what} did not come within {timeout} s")
            time.sleep(0.05)

    def picture(self, path):
        self.driver.save_screenshot(str(path))

    def script(self, text, *arguments):
        return self.driver.execute_script(text, *arguments)


class Cell:
    def __init__(self, page, element):
        self.page = page
        self.element = element

    def find(self, selector):
        return self.element.find_elements(By.CSS_SELECTOR, selector)

    @property
    def prompt(self):
        return self.find(".jp-InputArea-prompt")[0].text.strip()

    def wait(self):
        """Until the cell has its number."""
        self.page.until(lambda: self.prompt.strip("[]:").isdigit(), f"the end of the cell (prompt {self.prompt})")

    @property
    def outputs(self):
        """What each output of the cell shows, as text."""
        return [e.text for e in self.find(".jp-OutputArea-output")]

    def wait_for(self, text):
        """Until the outputs hold the text: they may come a moment after the number."""
        self.page.until(lambda: text in "\n".join(self.outputs), f"{text!r} in the outputs")
        return "\n".join(self.outputs)
