"""What every number says about itself: why it is missing, and by which definition it was computed."""

from collections.abc import Mapping
from enum import StrEnum

from lms.core.i18n import lazy


class Reason(StrEnum):
    """Why a number was not computed, or must be read with care."""

    NOBODY = "nobody"
    ONE_CANDIDATE = "one_candidate"
    FEWER_THAN_3 = "fewer_than_3"
    FEWER_THAN_4 = "fewer_than_4"
    FEWER_THAN_10 = "fewer_than_10"
    FEWER_THAN_30 = "fewer_than_30"
    FEWER_THAN_100 = "fewer_than_100"
    FEWER_THAN_250 = "fewer_than_250"
    FEW_IN_A_GROUP = "few_in_a_group"
    NO_ITEMS = "no_items"
    ONE_ITEM = "one_item"
    FEW_ITEMS = "few_items"
    NO_MARKS = "no_marks"
    CONSTANT_ITEM = "constant_item"
    CONSTANT_REST = "constant_rest"
    CONSTANT_TOTAL = "constant_total"
    CONSTANT_OPTION = "constant_option"
    CONSTANT_RATINGS = "constant_ratings"
    CONSTANT_ANCHOR = "constant_anchor"
    CONSTANT_CHANGE = "constant_change"
    NOT_DICHOTOMOUS = "not_dichotomous"
    NEGATIVE_COVARIANCE = "negative_covariance"
    EVERYBODY_RIGHT = "everybody_right"
    NOBODY_RIGHT = "nobody_right"
    AT_BOUND = "at_bound"
    NO_INFORMATION = "no_information"
    NOT_CONVERGED = "not_converged"
    NO_RELIABILITY = "no_reliability"
    NO_COMPARISON = "no_comparison"
    NO_JUDGES = "no_judges"
    ONE_JUDGE = "one_judge"
    NO_FACILITY = "no_facility"
    FIRST_ROUND_ONLY = "first_round_only"
    RATINGS_INCOMPLETE = "ratings_incomplete"
    NO_INTERSECTION = "no_intersection"
    AGREEMENT_BY_CHANCE = "agreement_by_chance"
    EVERYBODY_FULL_BEFORE = "everybody_full_before"
    FULL_MARKS_BEFORE = "full_marks_before"
    CHOSEN = "chosen"


REASONS: Mapping[Reason, str] = {
    Reason.CHOSEN: lazy(
        "Candidates chose their questions; this number is defined only where everybody has the same ones."
    ),
    Reason.NOBODY: lazy("Nobody has a result yet."),
    Reason.ONE_CANDIDATE: lazy("One result alone cannot be compared with others."),
    Reason.FEWER_THAN_3: lazy("There are fewer than 3 results."),
    Reason.FEWER_THAN_4: lazy("There are fewer than 4 results."),
    Reason.FEWER_THAN_10: lazy("There are fewer than 10 results; with so few, the number would mislead."),
    Reason.FEWER_THAN_30: lazy("There are fewer than 30 results; with so few, the number would mislead."),
    Reason.FEWER_THAN_100: lazy(
        "There are fewer than 100 results; with so few, the model cannot be trusted."
    ),
    Reason.FEWER_THAN_250: lazy(
        "There are fewer than 250 results; with so few, the model cannot be trusted."
    ),
    Reason.FEW_IN_A_GROUP: lazy("One of the groups has fewer than 100 people, too few for a judgement."),
    Reason.NO_ITEMS: lazy("There are no questions."),
    Reason.ONE_ITEM: lazy("One question alone cannot be compared with others."),
    Reason.FEW_ITEMS: lazy("There are too few questions that some answered rightly and some wrongly."),
    Reason.NO_MARKS: lazy("The question carries no marks."),
    Reason.CONSTANT_ITEM: lazy("Everybody has the same marks on this question."),
    Reason.CONSTANT_REST: lazy("Everybody has the same marks on the other questions."),
    Reason.CONSTANT_TOTAL: lazy("Everybody has the same total."),
    Reason.CONSTANT_OPTION: lazy("Everybody or nobody chose this option."),
    Reason.CONSTANT_RATINGS: lazy("All ratings are equal, so nothing can be compared."),
    Reason.CONSTANT_ANCHOR: lazy("Everybody has the same marks on the shared questions."),
    Reason.CONSTANT_CHANGE: lazy("Everybody changed by the same amount."),
    Reason.NOT_DICHOTOMOUS: lazy(
        "Part of the marks can be earned; the formula needs questions that are right or wrong."
    ),
    Reason.NEGATIVE_COVARIANCE: lazy("Those who do well on this question do badly on the whole test."),
    Reason.EVERYBODY_RIGHT: lazy(
        "Everybody answered this question rightly, so its difficulty has no finite value."
    ),
    Reason.NOBODY_RIGHT: lazy(
        "Nobody answered this question rightly, so its difficulty has no finite value."
    ),
    Reason.AT_BOUND: lazy("The estimate ran to the limit of what is believable."),
    Reason.NO_INFORMATION: lazy("The answers say nothing about this number."),
    Reason.NOT_CONVERGED: lazy("The estimation did not settle on a value."),
    Reason.NO_RELIABILITY: lazy("The reliability is not known or not between 0 and 1."),
    Reason.NO_COMPARISON: lazy("No two people with the same total are in different groups."),
    Reason.NO_JUDGES: lazy("No judge has given ratings yet."),
    Reason.ONE_JUDGE: lazy("One judge alone cannot be compared with others."),
    Reason.NO_FACILITY: lazy("It is not known how many answered the questions rightly."),
    Reason.FIRST_ROUND_ONLY: lazy("There is only one round of ratings."),
    Reason.RATINGS_INCOMPLETE: lazy("Some ratings are missing."),
    Reason.NO_INTERSECTION: lazy("The line of what is acceptable does not meet the curve of the results."),
    Reason.AGREEMENT_BY_CHANCE: lazy(
        "Chance alone would give full agreement, so nothing can be said beyond it."
    ),
    Reason.EVERYBODY_FULL_BEFORE: lazy("Everybody had full marks before, so nothing could be gained."),
    Reason.FULL_MARKS_BEFORE: lazy(
        "Full marks before: nothing could be gained; the change is shown instead."
    ),
}


class Definition(StrEnum):
    """Which of several usual definitions a number follows."""

    FIRST_ATTEMPT = "first_attempt"
    MISSING_AS_ZERO = "missing_as_zero"
    FACILITY = "facility"
    GROUPS_27 = "groups_27"
    ITEM_REST = "item_rest"
    ALPHA = "alpha"
    CHOSEN_ITEM = "chosen_item"
    STRATIFIED_ALPHA = "stratified_alpha"
    KR21 = "kr21"
    SEM = "sem"
    VARIANCE = "variance"
    K_STATISTICS = "k_statistics"
    MOODLE = "moodle"
    OPTION_REST = "option_rest"
    DISTRACTOR = "distractor"
    RASCH = "rasch"
    ONE_PL = "one_pl"
    TWO_PL = "two_pl"
    MARGINAL_ML = "marginal_ml"
    OBSERVED_INFORMATION = "observed_information"
    EAP = "eap"
    MANTEL_HAENSZEL = "mantel_haenszel"
    ETS = "ets"
    TOTAL_STRATA = "total_strata"
    PURIFIED = "purified"
    KAPPA = "kappa"
    KAPPA_LINEAR = "kappa_linear"
    KAPPA_QUADRATIC = "kappa_quadratic"
    SHROUT_FLEISS = "shrout_fleiss"
    ANGOFF = "angoff"
    EBEL = "ebel"
    HOFSTEE = "hofstee"
    BORDERLINE_REGRESSION = "borderline_regression"
    COHEN = "cohen"
    FIXED = "fixed"
    NORMAL_ERROR = "normal_error"
    SCT_AGGREGATE = "sct_aggregate"
    SCT_SCALE = "sct_scale"
    MEAN_EQUATING = "mean_equating"
    LINEAR_EQUATING = "linear_equating"
    EQUIPERCENTILE = "equipercentile"
    TUCKER = "tucker"
    LEVINE = "levine"
    GAIN = "gain"
    D_Z = "d_z"
    IDENTICAL_WRONG = "identical_wrong"
    BENJAMINI_HOCHBERG = "benjamini_hochberg"


DEFINITIONS: Mapping[Definition, str] = {
    Definition.FIRST_ATTEMPT: lazy(
        "Who is counted: each candidate's first attempt at this paper, once it is handed in and marked, by the newest marking."
    ),
    Definition.MISSING_AS_ZERO: lazy("A question without an answer earns 0."),
    Definition.FACILITY: lazy("Facility: mean marks divided by the marks that can be earned."),
    Definition.GROUPS_27: lazy(
        "Discrimination: facility in the upper 27 % less that in the lower 27 %. The size of a group is 0.27 n, half "
        "rounded up; people are sorted by total upwards, equal totals stay in the order of candidates."
    ),
    Definition.ITEM_REST: lazy(
        "Point-biserial: correlation of the marks with the sum of all other questions."
    ),
    Definition.ALPHA: lazy("Alpha and KR-20: all variances divided by n (population)."),
    Definition.CHOSEN_ITEM: lazy(
        "A question to choose is judged by the candidates who chose it; for the others it is missing, not wrong."
    ),
    Definition.STRATIFIED_ALPHA: lazy(
        "Where candidates choose cases: stratified alpha (Cronbach, Schönemann and McKie 1965). The strata are the questions "
        "that everybody had, and each choice, whose error is that of cases nested in persons: ICC(1,k) of Shrout and Fleiss (1979)."
    ),
    Definition.KR21: lazy("KR-21: as KR-20, as if all questions were equally difficult."),
    Definition.SEM: lazy("Standard error of measurement: standard deviation (n − 1) times √(1 − alpha)."),
    Definition.VARIANCE: lazy("Variance and standard deviation: divided by n − 1."),
    Definition.K_STATISTICS: lazy("Skewness and kurtosis: from k-statistics (k₃/k₂^1.5 and k₄/k₂²)."),
    Definition.MOODLE: lazy(
        "As Moodle's quiz statistics define them: covariances with the sum of the other questions, divided by n − 1; "
        "the largest possible covariance is that of both lists sorted."
    ),
    Definition.OPTION_REST: lazy(
        "Point-biserial of an option: correlation of having chosen it with the sum of all other questions."
    ),
    Definition.DISTRACTOR: lazy(
        "A wrong option works if at least 5 % chose it and those who chose it did worse on the other questions."
    ),
    Definition.RASCH: lazy("Rasch model: discrimination fixed at 1, abilities standard normal."),
    Definition.ONE_PL: lazy("One-parameter model: one common discrimination, abilities standard normal."),
    Definition.TWO_PL: lazy(
        "Two-parameter logistic model P = 1/(1 + exp(−a(θ − b))), without the factor 1.7, abilities standard normal."
    ),
    Definition.MARGINAL_ML: lazy(
        "Marginal maximum likelihood with 61 Gauss–Hermite nodes (Bock and Aitkin 1981)."
    ),
    Definition.OBSERVED_INFORMATION: lazy("Standard errors: from the observed information (Louis 1982)."),
    Definition.EAP: lazy("Ability: mean of its distribution after the answers (expected a posteriori)."),
    Definition.MANTEL_HAENSZEL: lazy(
        "Mantel–Haenszel: common odds ratio, χ² with continuity correction ½, delta = −2.35 ln(odds ratio)."
    ),
    Definition.ETS: lazy(
        "A: |delta| below 1 or not significantly different from 0; C: |delta| at least 1.5 and significantly above 1; "
        "B: the others (5 %)."
    ),
    Definition.TOTAL_STRATA: lazy("People are compared within equal totals, the studied question included."),
    Definition.PURIFIED: lazy(
        "Questions with a significant difference are left out of the total by which people are compared, until "
        "nothing changes."
    ),
    Definition.KAPPA: lazy("Cohen's kappa, unweighted."),
    Definition.KAPPA_LINEAR: lazy("Cohen's kappa with linear weights: disagreement counts by its distance."),
    Definition.KAPPA_QUADRATIC: lazy(
        "Cohen's kappa with quadratic weights: disagreement counts by the square of its distance."
    ),
    Definition.SHROUT_FLEISS: lazy("Intraclass correlations as Shrout and Fleiss (1979) name them."),
    Definition.ANGOFF: lazy(
        "Modified Angoff: each judge's cut is the sum of the expected marks; the cut is the mean over judges, its "
        "standard error the judges' standard deviation (n − 1) divided by √judges."
    ),
    Definition.EBEL: lazy(
        "Ebel: marks of each cell times the share expected of a borderline candidate, added up."
    ),
    Definition.HOFSTEE: lazy(
        "Hofstee: where the line from (lowest cut, highest fail rate) to (highest cut, lowest fail rate) meets the share "
        "of totals below the cut, interpolated linearly between the totals that occur."
    ),
    Definition.BORDERLINE_REGRESSION: lazy(
        "Borderline regression: least squares of score on global rating, read at the borderline rating; the standard "
        "error of the cut by the delta method."
    ),
    Definition.COHEN: lazy("Cohen: a share of the 95th percentile (interpolated linearly)."),
    Definition.FIXED: lazy("Fixed: a share of the marks that can be earned."),
    Definition.NORMAL_ERROR: lazy(
        "Probability of a wrong decision: true scores and errors normal, the error with the standard error of "
        "measurement; not corrected for scores being whole numbers."
    ),
    Definition.SCT_AGGREGATE: lazy(
        "Share of an answer: experts who chose it divided by those who chose the commonest."
    ),
    Definition.SCT_SCALE: lazy(
        "Reported on the scale on which the panel has mean 80 and standard deviation 5 (n − 1)."
    ),
    Definition.MEAN_EQUATING: lazy("Mean equating: scores differ by the difference of the means."),
    Definition.LINEAR_EQUATING: lazy("Linear equating: equal standard scores are equal."),
    Definition.EQUIPERCENTILE: lazy(
        "Equipercentile equating: equal percentile ranks are equal; each score is spread evenly over its unit, without "
        "smoothing."
    ),
    Definition.TUCKER: lazy("Tucker: equal regression on the shared questions in both groups."),
    Definition.LEVINE: lazy("Levine, observed scores: equal true-score relation to the shared questions."),
    Definition.GAIN: lazy(
        "Normalised gain g: what was gained divided by what could be gained; of the class from its means, of persons the "
        "median."
    ),
    Definition.D_Z: lazy(
        "d_z: mean change divided by the standard deviation of the changes (n − 1); interval from the noncentral t "
        "distribution."
    ),
    Definition.IDENTICAL_WRONG: lazy(
        "Equal wrong answers of two people against chance: of the questions that both got wrong, the chance of the same "
        "wrong option follows from its frequency among people of like ability in this cohort; the sum over questions is "
        "compared exactly."
    ),
    Definition.BENJAMINI_HOCHBERG: lazy(
        "False discovery rate by Benjamini and Hochberg (1995) over all pairs of candidates."
    ),
}


Value = float | Reason
"""A number, or why there is none."""


def told(**values: Value) -> tuple[dict[str, float | None], dict[str, Reason]]:
    """Numbers by name, None where there is a reason instead; and the reasons by name."""
    numbers = {name: None if isinstance(value, Reason) else float(value) for name, value in values.items()}
    return numbers, {name: value for name, value in values.items() if isinstance(value, Reason)}
