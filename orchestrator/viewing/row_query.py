"""What an address asks of a run's rows, and the address of what is asked for. What cannot be meant is said by name."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from multidict import MultiMapping

from outputs.browsing.query import Query, parameters, parse_query
from prompts.input_error import InputError


@dataclass(frozen=True, slots=True)
class Understood:
    """The `query` of an address as far as it is one; by name, what is wrong with the rest (`faults`), and its text."""

    query: Query
    faults: Mapping[str, str]
    refused: Mapping[str, str]


def understood(params: MultiMapping[str]) -> Understood:
    """Read an address to its end, whatever is wrong in it. Fields that a form left empty are as if not there."""
    said: dict[str, str] = {}
    faults: dict[str, str] = {}
    refused: dict[str, str] = {}
    for name in dict.fromkeys(params):
        values = [value for value in params.getall(name) if value]
        if len(values) > 1:
            faults[name] = f"is given {len(values)} times: give it once"
        elif values:
            said[name] = values[0]
    while True:
        try:
            return Understood(parse_query(said), faults, refused)
        except InputError as error:
            if error.field not in said:
                raise
            faults[error.field], refused[error.field] = error.message, said.pop(error.field)


def read_query(params: MultiMapping[str]) -> Query:
    """What an address asks for. Raises InputError for what is no column, no value of one, or named twice."""
    found = understood(params)
    for name, message in found.faults.items():
        raise InputError(message, field=name)
    return found.query


def address(query: Query, **changed: Any) -> str:
    """A query as it stands in an address, behind the question mark; what is as always is left out."""
    query = replace(query, **changed)
    order = {
        "sort": query.sort if query.sort != "request" else "",
        "descending": "true" if query.descending else "",
        "offset": str(query.offset) if query.offset else "",
        "limit": str(query.limit) if query.limit != Query().limit else "",
    }
    told = [parameters(query.filters), urlencode({name: text for name, text in order.items() if text})]
    return "&".join(text for text in told if text)


def behind(query: Query) -> str:
    """The same with its question mark; empty where there is nothing to be said."""
    told = address(query)
    return f"?{told}" if told else ""


def offset_of(query: Query, place: int) -> int:
    """Where the page begins that the row at a place is on, counted in pages from the query's own."""
    return max(0, query.offset + (place - query.offset) // query.limit * query.limit)
