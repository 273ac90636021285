"""Video classification the scikit-learn way."""

import lazy_loader

__version__ = "0.1.0"

# A name is imported when it is first used, so that the command line answers without
# loading torch. `__init__.pyi` lists the names, here and in the sub-packages.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
