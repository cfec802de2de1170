from .api import HistospaceError as HistospaceError
from .api import characterise_run as characterise_run
from .api import compare as compare
from .api import export as export
from .api import inspect as inspect
from .api import make_sample as make_sample
from .api import models as models
from .api import open_slide as open_slide
from .api import predict as predict
from .api import read_measured as read_measured
from .api import read_run as read_run
from .api import to_anndata as to_anndata

__version__: str
