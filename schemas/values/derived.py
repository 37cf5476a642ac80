"""The marshmallow schema of a message, derived from its struct: the strict reader, and the description in OpenAPI."""

from __future__ import annotations

import types
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin

import marshmallow
import msgspec
from marshmallow import Schema, ValidationError, post_load, validate

from schemas.values import fields as own_fields
from schemas.values.message import Count, Form, Message

_PLAIN: dict[Any, type[marshmallow.fields.Field[Any]]] = {
    str: marshmallow.fields.String,
    int: marshmallow.fields.Integer,
    bool: marshmallow.fields.Boolean,
    float: marshmallow.fields.Float,
}


@cache
def schema_of(message: type[Message]) -> type[Schema]:
    """The schema that loads the message, every field checked, and gives the struct. Raises TypeError for a field whose
    type has no form.
    """
    fields: dict[str, Any] = {info.name: _field_of(info) for info in msgspec.structs.fields(message)}

    def make_message(_: Schema, data: dict[str, Any], **__: Any) -> Message:
        made = message(**data)
        faults = list(made.faults())
        if faults:
            raise ValidationError({name: [expected] for name, expected in faults})
        return made

    def stay(schema: Schema, _: dict[int, Any]) -> Schema:
        """Nobody changes a schema: it is the same in each of the many copies of what describes a route."""
        return schema

    own = {"_make_message": post_load(make_message), "__deepcopy__": stay, "__doc__": message.__doc__}
    return type(f"{message.__name__}Schema", (Schema,), {**fields, **own})


def field_of(message: type[Message], name: str) -> marshmallow.fields.Field[Any]:
    """One field of a message's schema, for what is read by itself."""
    return schema_of(message)().fields[name]


def _field_of(info: msgspec.structs.FieldInfo) -> marshmallow.fields.Field[Any]:
    options: dict[str, Any] = {}
    if info.encode_name != info.name:
        options["data_key"] = info.encode_name
    if info.default is msgspec.UNSET:
        options["required"] = False
    elif info.default is not msgspec.NODEFAULT:
        options["load_default"] = info.default
    elif info.default_factory is not msgspec.NODEFAULT:
        options["load_default"] = info.default_factory
    else:
        options["required"] = True
    try:
        return _form(info.type, options)
    except (AttributeError, KeyError, ValueError) as error:
        raise TypeError(f"{info.name}: {info.type} has no form") from error


def _form(kind: Any, options: dict[str, Any]) -> marshmallow.fields.Field[Any]:
    """The field of a type; `options` are given to it besides those of its form."""
    kind, notes = _unwrapped(kind, ())
    if get_origin(kind) in (Union, types.UnionType):
        (inner,) = (one for one in get_args(kind) if one not in (type(None), msgspec.UnsetType))
        if type(None) in get_args(kind):
            options = {**options, "allow_none": True}
        kind, notes = _unwrapped(inner, notes)
    for note in notes:
        if isinstance(note, msgspec.Meta) and note.description is not None:
            options = {**options, "metadata": {"description": note.description}}
        elif isinstance(note, Count):
            options = {**options, "validate": validate.Length(note.least, note.most)}
    for note in notes:
        if isinstance(note, Form):
            named: marshmallow.fields.Field[Any] = _named(note.name)(*note.arguments, **note.options, **options)
            return named
        if isinstance(note, type) and issubclass(note, Message):
            return marshmallow.fields.Nested(schema_of(note), **options)
    if get_origin(kind) is list:
        return own_fields.BoundedList(_form(get_args(kind)[0], {}), **options)
    if get_origin(kind) is dict:
        return marshmallow.fields.Dict(*(_form(one, {}) for one in get_args(kind)), **options)
    if isinstance(kind, type) and issubclass(kind, Message):
        return marshmallow.fields.Nested(schema_of(kind), **options)
    return _PLAIN[kind](**options)


def _unwrapped(kind: Any, notes: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    if get_origin(kind) is Annotated:
        inner, *more = get_args(kind)
        return _unwrapped(inner, (*notes, *more))
    return kind, notes


def _named(name: str) -> Any:
    return getattr(own_fields, name, None) or getattr(marshmallow.fields, name)
