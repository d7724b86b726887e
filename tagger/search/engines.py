"""Which engine an address means."""

from tagger.errors import InputError
from tagger.search.address import Address
from tagger.search.aliased import AliasedEngine
from tagger.search.engine import Engine
from tagger.search.ndjson_file import NdjsonFile
from tagger.settings import setting

_KEY_IN_HEADER = ("typesense", "elasticsearch")


def open_engine(address: Address, key: str | None, patience: float) -> Engine:
    """Return the engine of an address; its client is imported only now.

    Raises
    ------
    InputError
        If there is no key where one is needed, or it is of no form that can be sent, or the client
        is not installed.
    """
    if address.scheme == "ndjson":
        return NdjsonFile(address)
    if address.scheme in _KEY_IN_HEADER and not (key or "").isascii():
        raise InputError(
            f"{setting('to')} {address.plain!r}: the key has other signs than ASCII in it, and "
            "cannot be sent; make another"
        )
    if address.scheme == "typesense":
        from tagger.search.typesense_server import TypesenseServer

        return AliasedEngine(TypesenseServer(address, key, patience), address.name)
    if address.scheme == "postgresql":
        from tagger.search.postgres import PostgresTable

        return PostgresTable(address, key, patience)
    from tagger.search.elastic_server import ElasticServer

    return AliasedEngine(ElasticServer(address, key, patience), address.name)
