"""Leave out sphinx-thebe's files: the book runs no cell in the page, and its script fails beside the theme's own."""

from sphinx.application import Sphinx


def _drop(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object) -> None:
    for kind in ("script_files", "css_files"):
        context[kind] = [f for f in context.get(kind, []) if not _is_thebe(f)]


def _is_thebe(file: object) -> bool:
    """A file of that name, or a script written into the page that mentions it."""
    body = getattr(file, "attributes", {}).get("body") or ""
    return "thebe" in f"{getattr(file, 'filename', file)} {body}".lower()


def setup(app: Sphinx) -> dict:
    app.connect("html-page-context", _drop, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
