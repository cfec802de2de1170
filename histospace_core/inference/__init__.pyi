from .predict import RunSummary as RunSummary
from .predict import predict_slide as predict_slide
from .prediction import Prediction as Prediction
from .prediction import open_prediction as open_prediction
from .provenance import OUTSIDE_DOMAIN as OUTSIDE_DOMAIN
from .record import RESEARCH_USE as RESEARCH_USE
from .record import RunRecord as RunRecord
