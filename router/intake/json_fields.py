"""Fields of JSON rows that a mapping names by a path, such as `contact.email`. No I/O; it remembers what came."""

from collections.abc import Iterable, Mapping

from router.rules.json_paths import BadPath, Step, parse_path, places_of, value_at, without


class JsonFields:
    """What a mapping names of JSON rows. `unseen` = names that no row had so far; `first` = what the first row has."""

    def __init__(self, names: Iterable[str]) -> None:
        self.unseen = set(names)
        self.first: tuple[str, ...] = ()
        self._paths = dict(_deeper(self.unseen))

    def lifted(self, row: Mapping[str, object]) -> Mapping[str, object]:
        """The row with what paths lead to under the path's own name, and no longer in its place. A field of the very
        name comes before a path.
        """
        self.first = self.first or tuple(row)
        found = {
            name: places
            for name, path in self._paths.items()
            if name not in row and (places := places_of(row, path)) is not None
        }
        if found:
            values = {name: value_at(row, places) for name, places in found.items()}
            rest = without(row, list(found.values()))
            assert isinstance(rest, dict)
            row = {**rest, **values}
        if self.unseen:
            self.unseen -= row.keys()
        return row


def _deeper(names: Iterable[str]) -> Iterable[tuple[str, tuple[Step, ...]]]:
    for name in names:
        try:
            path = parse_path(name)
        except BadPath:
            continue
        if len(path) > 1:
            yield name, path
