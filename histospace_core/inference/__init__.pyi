from .build_record import OUT_OF_DOMAIN_SCORE as OUT_OF_DOMAIN_SCORE
from .predict import RunSummary as RunSummary
from .predict import predict_slide as predict_slide
from .prediction import Prediction as Prediction
from .prediction import open_prediction as open_prediction
from .record import RESEARCH_USE as RESEARCH_USE
from .record import RunRecord as RunRecord
