"""Keys that belong to a control in a cell's output, and not to the notebook around it."""

#: Attributes of a slider or a radio button: JupyterLab would take the arrow keys for itself, to move from cell to cell,
#: and whatever else listens for them on the page hears nothing of them either.
OWN_KEYS = 'data-lm-suppress-shortcuts="true" onkeydown="if(event.key.startsWith(\'Arrow\'))event.stopPropagation()"'
