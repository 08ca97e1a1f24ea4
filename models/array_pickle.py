"""Pickles of arrays and nothing else.

A pickle is a program: reading one runs whatever it names. Here it may name what numpy itself writes
for arrays and numbers, and ordered dictionaries; the first other name ends the reading.
"""

import pickle
from _codecs import encode
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

# numpy's own rebuilding functions; asking an array for them spares naming numpy's inner modules,
# which have moved between its versions while old files keep the old names.
_REBUILD_ARRAY = np.zeros(1).__reduce__()[0]
_REBUILD_NUMBER = np.float32(0).__reduce__()[0]

_ALLOWED: Mapping[tuple[str, str], Any] = MappingProxyType(
    {
        ("numpy.core.multiarray", "_reconstruct"): _REBUILD_ARRAY,
        ("numpy._core.multiarray", "_reconstruct"): _REBUILD_ARRAY,
        ("numpy.core.multiarray", "scalar"): _REBUILD_NUMBER,
        ("numpy._core.multiarray", "scalar"): _REBUILD_NUMBER,
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("_codecs", "encode"): encode,
        ("collections", "OrderedDict"): OrderedDict,
    }
)


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str) -> Any:
        """Look a name up in the short list instead of importing it."""
        try:
            return _ALLOWED[module_name, global_name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"it asks for {module_name}.{global_name}; only arrays are read from pickles"
            ) from None


def load(path: Path) -> Any:
    """Return the arrays, numbers, texts and containers of them in a file.

    Raises:
        UnpicklingError: the file asks for anything else. Other errors of the reader come through.
    """
    with path.open("rb") as file:
        return _ArrayUnpickler(file, encoding="latin1").load()
