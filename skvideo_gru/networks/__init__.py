"""The two networks, ResNet-50 and GRU, and what training them needs."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
