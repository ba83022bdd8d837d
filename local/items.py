"""The items of the emulator's DynamoDB tables, journaled before a write is confirmed."""

import contextvars
import copy
from collections.abc import Iterator
from typing import Any

from local.journal import Image, Journal
from local.upstream import DYNAMODB_STATE, store

_COMPACT_BYTES = 4_000_000


class Items:
    """The items of every DynamoDB table, journaled."""

    def __init__(self, journal: Journal) -> None:
        from ministack.services import dynamodb

        self._dynamodb = dynamodb
        self._journal = journal
        # The keys that the current request has touched; None outside of a request.
        self._touched: contextvars.ContextVar[list[tuple[Any, str, str]] | None] = contextvars.ContextVar(
            "touched", default=None
        )
        self._set_item = dynamodb._set_item

    def install(self) -> None:
        """Every way to write ends in three functions: requests, transactions, and state machines' own puts alike."""
        dynamodb = self._dynamodb
        set_item, remove_item, items_replaced = self._set_item, dynamodb._remove_item, dynamodb._items_replaced
        handle = dynamodb.handle_request

        def _set_item(table: Any, pk_val: str, sk_val: str, item: Any) -> Any:
            old = set_item(table, pk_val, sk_val, item)
            self._touch([(table, pk_val, sk_val)])
            return old

        def _remove_item(table: Any, pk_val: str, sk_val: str) -> Any:
            old = remove_item(table, pk_val, sk_val)
            if old is not None:
                self._touch([(table, pk_val, sk_val)])
            return old

        def _items_replaced(table: Any) -> None:
            items_replaced(table)
            self._touch([(table, key.partition, key.sort) for key in _images(table)])

        async def handle_request(method: str, path: str, headers: Any, body: bytes, query_params: Any) -> Any:
            touched: list[tuple[Any, str, str]] = []
            token = self._touched.set(touched)
            try:
                return await handle(method, path, headers, body, query_params)
            finally:
                self._touched.reset(token)
                self._write(touched)  # before the answer goes out, and in one piece: a transaction is all or nothing

        dynamodb._set_item, dynamodb._remove_item = _set_item, _remove_item
        dynamodb._items_replaced, dynamodb.handle_request = _items_replaced, handle_request
        dynamodb.get_state = self._state_without_items

    def restore(self) -> None:
        """Put the journaled items back into the tables that the last snapshot knows."""
        tables = {table["TableArn"]: table for table in self._dynamodb._tables.all_values()}
        for image in self._journal.images():
            table = tables.get(image.table_arn)
            if table is None or table.get("TableId", "") != image.table_id:
                continue
            if image.item is None:
                self._dynamodb._remove_item(table, image.partition, image.sort)
            else:
                self._set_item(table, image.partition, image.sort, image.item)

    def compact(self) -> None:
        number = self._journal.rotate()
        tables = self._dynamodb._tables.all_values()
        self._journal.compact(number, (image for table in tables for image in _images(table)))

    def compact_if_worthwhile(self) -> None:
        if self._journal.bytes_since_base > max(_COMPACT_BYTES, 2 * self._journal.base_bytes):
            self.compact()

    def _touch(self, keys: list[tuple[Any, str, str]]) -> None:
        touched = self._touched.get()
        if touched is None:
            self._write(keys)
        else:
            touched.extend(keys)

    def _write(self, keys: list[tuple[Any, str, str]]) -> None:
        if keys:
            # What the item is by now, not what it was when touched: of two threads that write one key, the later line
            # then holds the later state.
            self._journal.append(_image(*key) for key in keys)

    def _state_without_items(self) -> dict[str, Any]:
        state = {name: copy.deepcopy(store(self._dynamodb, name)) for name in DYNAMODB_STATE if name != "tables"}
        tables = type(self._dynamodb._tables)()
        for key, table in self._dynamodb._tables.all_items():
            kept = {name: value for name, value in table.items() if name != self._dynamodb._INDEX_MEMBERS}
            tables.set_scoped(*key, copy.deepcopy({**kept, "items": {}, "ItemCount": 0, "TableSizeBytes": 0}))
        return {**state, "tables": tables}


def _image(table: Any, partition: str, sort: str) -> Image:
    item = table["items"].get(partition, {}).get(sort)
    return Image(table["TableArn"], table.get("TableId", ""), partition, sort, item)


def _images(table: Any) -> Iterator[Image]:
    """Safe while others write: `list` of a dictionary's items is one step, and items are replaced, never changed."""
    for partition, by_sort in list(table["items"].items()):
        for sort, item in list(by_sort.items()):
            yield Image(table["TableArn"], table.get("TableId", ""), partition, sort, item)
