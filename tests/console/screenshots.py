"""Pictures of every view in both themes, and of those for a phone: `make screenshots` puts them into .screenshots/. `--only NAME …` takes some."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from console_site import ROOT, launch, look, serving, views
from playwright.sync_api import sync_playwright


def main() -> None:
    """Take them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, default=ROOT / ".screenshots")
    parser.add_argument("--only", nargs="*", default=[])
    said = parser.parse_args()
    said.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tutti-pictures-") as folder, serving(Path(folder)) as served, sync_playwright() as playwright:
        browser = launch(playwright)
        found = {name: path for name, path in views(served).items() if not said.only or name in said.only}
        for kind, options in (("", {}), ("-dark", {"dark": True}), ("-phone", {"phone": True})):
            seen = look(browser, served, **options)
            for name, path in found.items():
                seen.go(path)
                seen.page.wait_for_timeout(400)  # charts draw
                seen.page.screenshot(path=str(said.folder / f"{name}{kind}.png"))
            print(f"{len(found)} pictures{kind.replace('-', ', ')}; errors: {seen.errors or 'none'}")
            seen.page.context.close()
        browser.close()
    print(said.folder)


if __name__ == "__main__":
    main()
