"""A real Chromium, without a window, for the tests of the page.

selenium is imported where it is used: that takes as long as all else that a process of a test run imports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bridge.conftest import require
from tests.limits import WAIT_S

if TYPE_CHECKING:
    from selenium import webdriver


class Browser:
    """One window. It opens one page after the other."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self._driver = driver

    def open(self, url: str, width: int = 1_280, height: int = 900, *, dark: bool = False) -> None:
        """Open a page in a window of that size, for a user who prefers dark or light."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self._driver.get(url)

    def text(self, name: str) -> str:
        """The text of the element with that id."""
        return str(self.run(f"return document.getElementById('{name}').textContent"))

    def click(self, name: str) -> None:
        """Click on the element with that id, once it can be clicked on."""
        self.wait(f"that {name} can be clicked on", lambda: self._driver.find_element("id", name).is_enabled())
        element = self._driver.find_element("id", name)
        self.run("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def type(self, name: str, text: str) -> None:
        """Replace what stands in the field with that id."""
        field = self._driver.find_element("id", name)
        field.clear()
        field.send_keys(text)

    def table(self, name: str) -> list[list[str]]:
        """The texts of the cells of the table with that id, by row."""
        rows = f"[...document.querySelectorAll('#{name} tbody tr')]"
        return self.run(f"return {rows}.map(row => [...row.cells].map(c => c.textContent))")  # type: ignore[no-any-return]

    def run(self, script: str, *arguments: Any) -> Any:
        """Run JavaScript in the page."""
        return self._driver.execute_script(script, *arguments)

    def wait(self, what: str, condition: Callable[[], Any]) -> Any:
        """Wait until the condition gives something true; that."""
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self._driver, WAIT_S, 0.05).until(lambda driver: condition(), what)

    def complaints(self) -> list[str]:
        """What the browser has complained about since it was asked last: errors, and what the CSP has kept out."""
        return [entry["message"] for entry in self._driver.get_log("browser")]  # type: ignore[no-untyped-call]

    def picture(self, file: Path) -> None:
        """Write a PNG of the window."""
        self._driver.save_screenshot(str(file))


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser. Debian's packages chromium and chromium-driver have it."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    require("chromium", "chromedriver")
    options = webdriver.ChromeOptions()
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "hide-scrollbars"):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    try:
        yield Browser(driver)
    finally:
        driver.quit()
