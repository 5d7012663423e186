"""One check per file, named as its code: `async def look(scene) -> Sequence[Finding]`."""
