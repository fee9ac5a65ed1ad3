"""People in pictures: what is asked of them (`asking`), and what is said (`saying`)."""

from photovault.people.asking import Listed, find_person, like, members_of, people, pictures, together, who
from photovault.people.saying import forget, hide, merge, name, reject, split, undo, undo_rejection
from steps.identify import root

__all__ = [
    "Listed",
    "find_person",
    "forget",
    "hide",
    "like",
    "members_of",
    "merge",
    "name",
    "people",
    "pictures",
    "reject",
    "root",
    "split",
    "together",
    "undo",
    "undo_rejection",
    "who",
]
