"""The limits: every number that decides what a user is told, or what is set aside.

A limit stands here once, with its source; what decides by it and what quotes it read it from here.
Tolerances of an algorithm that no user meets stay with the algorithm.
"""

# The verdict on a run --------------------------------------------------------------------------

# Largest R-hat: Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021), Bayesian Analysis 16:667.
R_HAT = 1.01
# R-hat beyond which chains hardly overlap: more draws of the same are no cure.
R_HAT_APART = 1.3
# Least effective sample size, bulk and tail; below, R-hat and ESS are noisy: Vehtari et al. (2021).
ESS = 400.0
# Where the tail's ESS is taken, ArviZ's default: at the quantiles 0.11 and 0.89.
TAIL_ESS_PROB = 0.89
# Largest share of draws that diverged; a few are shown all the same.
DIVERGENT = 0.001
# Largest share of draws at the greatest tree depth, each cut short before it turned back.
DEEPEST = 0.01
# Least energy fraction of missing information: Betancourt (2016), arXiv:1604.00695.
E_FMI = 0.3
# Largest share of draws in other labels than most; beyond, the labels switched.
SWITCHED = 0.001
# Standard deviation of the number of occupied clusters below which it hardly moves and is not
# judged: ranks of a constant but for single draws say nothing about mixing.
SETTLED = 0.01
# Least share of draws in which a cluster is identified for a summary of its own to mean something.
IDENTIFIED = 0.9
# A draw identifies a cluster when its order beats all that move the cluster by the log of this,
# nats of Stephens' cost.
IDENTIFYING_ODDS = 20.0
# Distance of two chains' means, in standard deviations within a chain, beyond which they stay in
# two modes: farther apart, two equal Gaussians have two peaks together.
CHAINS_APART = 2.0
# Fewest draws of a chain that show where it stays.
STAYING_DRAWS = 20

# Modes -----------------------------------------------------------------------------------------

# Share of the posterior's mass from which on a mode, or several together, must not be missed.
VISIBLE = 0.01
# Share of a mode's draws, or of its proposal, that may lie in another mode; both masses move by it.
IN_ANOTHER_MODE = 0.01
# Factor by which Laplace's shares were seen to be wrong where components are superfluous.
LAPLACE_FACTOR = 20.0

# Importance sampling at the modes --------------------------------------------------------------

# Rows, counted by their weights, from which on it is tried where the method is left open: there it
# gave 705 to 860 effective draws of 1,000 at n = 1e4 to 1e6, D = 3 to 10, K = 3 to 5.
IMPORTANCE_ROWS = 10_000
# Least share of proposals that are effective, unless the draws suffice all the same: below, the
# proposals are far from the posterior's shape, and NUTS costs no more for as many.
IMPORTANCE_SHARE = 0.2

# Rows, counted by their weights, from which on a summary gives the deviation that estimates have
# whatever the law of the rows: the posterior's own is then below a hundredth of the rows' spread.
SANDWICH_ROWS = 100_000

# Many rows -------------------------------------------------------------------------------------

# Rows above which passes go through them chunk by chunk where they lie, searches of modes begin on
# some of them, and as many stand for all where that is enough: they tell labels apart, and how sure
# the rows are of their clusters, as well as all do.
MANY_ROWS = 20_000
# Of those, how many stand for all rows where pairs of rows are compared.
PAIRED_ROWS = 2_000

# Cost ------------------------------------------------------------------------------------------

# Complete rows that cost as much in a pass as a group of rows with cells or errors of its own does:
# 30 to 50 were measured, from (2000, 2, 2) to (2000, 12, 3).
GROUP_COST = 40
# Times that a pass costs that over as many complete rows, from where on it is said.
COSTLY = 5

# Predictive accuracy ---------------------------------------------------------------------------

# Largest Pareto k of weights that may be relied on: Vehtari, Simpson, Gelman, Yao and Gabry (2024),
# Journal of Machine Learning Research 25(72).
PARETO_K = 0.7
# Nats between the largest and the least weight of a draw up to which nothing is reweighted: an
# average moves by no more than this share, whatever the shape of their tail.
EVEN_WEIGHTS = 0.01
# Largest Pareto k after moment matching. A row that is a cluster by itself frees that component
# when left out: no affine move gets there, yet the k fell to 0.68 with a term 1.7 nats too high.
# Below 0.5 weights have a variance.
PARETO_K_MATCHED = 0.5
# Least identification score of every cluster for moment matching: the draws then lie in one
# labelling's cell, which an affine move leaves alone.
IDENTIFIED_TO_MATCH = 0.99
# Largest R-hat of the predictive density of a row in a refit on the others, of 4 x 500 draws.
R_HAT_REFIT = 1.05
# Error, nats, above which one bridge between the posteriors with and without a row was seen to err
# by three times what it states.
JOINT_BRIDGE_ERROR = 0.1
# Fewest draws for PSIS-LOO: a fifth of them make the tail, and its fit takes five.
TAIL_DRAWS = 25
# Most rows that a comparison refits for one K: with more the model fits them too badly for LOO.
MOST_REFITS = 10
# Largest posterior variance of a row's log likelihood for WAIC: Vehtari, Gelman and Gabry (2017),
# Statistics and Computing 27:1413.
ROW_VARIANCE = 0.4
# Difference in elpd, nats, that is too small to prefer the larger model, and below which its
# standard error is unreliable: Sivula, Magnusson, Matamoros and Vehtari (2020), arXiv:2008.10296.
SMALL_DIFFERENCE = 4.0
# Standard errors of a difference in elpd within which the smaller K is taken: about 95 % both ways.
ELPD_ERRORS = 2.0
# Difference of AIC, BIC, sBIC or ICL from the smallest, below which a model is not ruled out: Kass
# and Raftery (1995), JASA 90:773, call twice a log Bayes factor of 6 or more strong.
INFORMATION_DIFFERENCE = 6
# Share of replicated data sets on one side of the data, below which the model misses a statistic:
# with 200 sets, one at most. Gelman, Meng and Stern (1996), Statistica Sinica 6:733.
PREDICTIVE_P = 0.01
# Rows below which the standard error of a difference in elpd is itself unreliable (same source).
FEW_ROWS = 100

# Evidence --------------------------------------------------------------------------------------

# Errors of a difference within which two independent estimates agree: one in 370 by chance.
AGREEMENT = 3.0
# Distance of two estimates, nats, that is taken as their error where they do not agree: the
# probability of a K moves by less than a tenth of itself.
NEGLIGIBLE = 0.1
# Distance in log posterior, nats, from the best mode of many rows from which on another has no mass
# that could be seen: exp(-30) is one in 1e13, and masses of modes differ by few nats more.
NO_MASS = 30.0
# Factor by which an evidence from draws that may have left modes out is taken to be too small at
# most, where it is asked whether that K could be the best.
LEFT_OUT_FACTOR = 100.0
# Fewest independent runs of sequential Monte Carlo; their halves must each give an evidence.
FEWEST_RUNS = 4
# Runs from which on their error is taken as it is: with 4, three errors are passed by chance once
# in 17; with fewer than this the error is widened as Student's t asks.
ENOUGH_RUNS = 16
# Draws of each half for a coordinate that bridge sampling needs: the mean and the variance of each
# cost its Gaussian one nat then. Where the curvature does not tell the rest of the shape, the error
# says so.
DRAWS_PER_COORDINATE = 1
# Fewest draws of each half, for few coordinates: a variance from fewer is no more than a guess.
FEWEST_BRIDGED = 20
# Probability of as many clusters as the largest K compared, above which a scan ended too early.
LAST_K = 0.01
# Probability of one K from which on the answer is given for it alone, and not averaged over K too.
SETTLED_K = 0.9
# Largest K of a scan that goes on by itself.
MOST_SCANNED = 12
# Draws, of those effective, that must show a component empty for Nobile's identity to be usable.
EMPTY_DRAWS = 20.0

# Point fits ------------------------------------------------------------------------------------

# Variance of a component in some direction, relative to the pooled one, below which it is narrow: a
# tenth of the pooled standard deviation. Rocci, Gattone and Di Mari (2018), ADAC 12:235.
NARROW = 0.01
# Number of slabs as full as a narrow component, expected by chance, above which it is not believed.
CHANCE_SLABS = 1e-3
# BIC above the best up to which a quick grid searches on: beyond, the evidence is "very strong",
# Kass and Raftery (1995), J. American Statistical Association 90:773.
GRID_NEAR = 10.0
# Models up to which such a grid searches on in all of them: that takes seconds.
GRID_FEW = 30
# Estimated chance that one more start reaches a new optimum at which such a search stops.
GRID_UNSEEN = 0.05
# Models of which draws are made where all structures are compared: the best by BIC.
SCREENED = 5
# Most starts of a model in such a search, and those of each fit that is not part of one.
GRID_STARTS = 60
# The same ratio below which a component on rows that fix no covariance is on the way into a pole.
ON_THE_WAY_TO_A_POLE = 5e-3
# Differences of all means, in standard deviations of the feature, and of all weights, below which
# two runs that climbed equally high are told as one optimum.
SAME_MEANS = 0.1
SAME_WEIGHTS = 0.05

# Data ------------------------------------------------------------------------------------------

# Standard deviation of the recording error in recording steps, 1 / sqrt(2 pi): a tied cell's
# density then never exceeds 1 / step.
ERROR_PER_STEP = 0.4
# Largest size of a cell: its square must stay finite in double precision.
MAX_ABSOLUTE = 1e150
# Least range of a column: the square of what is smaller is no number in double precision.
MIN_RANGE = 1e-150
# Range of a prior's numbers, in spreads of the data where they have units: determinants of what
# lies beyond are no numbers.
SMALLEST_PRIOR, LARGEST_PRIOR = 1e-50, 1e50
# Largest recording step, in spreads: all rows are then one value, and any covariance is as good.
LARGEST_STEP = 1e50
# Largest condition number of the correlation of all columns; beyond, one follows from the others.
MAX_CONDITION = 1e10
# Gap between two values, in the column's range, below which it is rounding noise and not a step.
GAP_FLOOR = 1e-9
# Size up to which float64 holds every integer.
MAX_EXACT_INTEGER = 2**53
# Rows that show two columns together, below which the pair is named.
FEW_TOGETHER = 10
# Rows from which on a column that counts up is no chance.
COUNTING_ROWS = 10
# Gaps between an end value and all others, in the range of these, from which on it is suspected:
# one that looks like a code for missing values, and any other.
CODE_GAP = 0.5
ANY_GAP = 10.0
# Size from which on a value looks like a code.
HUGE_CODE = 1e20
# Load on a null direction, relative to the largest, from which on a column is named as part of it.
NAMED_LOAD = 0.01
# Relative difference that single precision, or the six digits of a text file, leave in draws.
ROUNDED = 1e-3
# Largest share of the memory available that a call may take.
MEMORY_SHARE = 0.9
# Least memory, bytes, in which the libraries can be loaded: OpenBLAS ends the process in less.
LIBRARIES = 2**30
# Most components that a model file or a command line may ask for.
MOST_COMPONENTS = 200

# What is shown, and how ------------------------------------------------------------------------

# Probability of an interval where none is asked for: ArviZ's default.
INTERVAL = 0.89
# Features in a picture of all pairs, and in one of less than five inches; of more, those that
# separate the clusters best: a panel is then half an inch wide, the least that shows a contour.
PAIRED_FEATURES, PAIRED_FEATURES_NARROW = 6, 3
# Features in a picture with one line per feature, on a page and in less than five inches: as many
# lines of text fit.
PROFILE_FEATURES, PROFILE_FEATURES_NARROW = 40, 8
# Features from which on a report shows profiles of the clusters: a panel for each is too many.
MANY_FEATURES = 10
# Rows of a table above which a report folds it: more than a page has lines.
FOLDED_ROWS = 40
# Gap between neighbouring means, in standard deviations of the feature and in standard errors, from
# which on clusters are numbered by that feature.
NUMBERED_APART = 0.05
NUMBERED_ERRORS = 3.0
# Probability of membership below which no cluster is named for a row, and from which on it is sure.
AMBIGUOUS = 0.8
CERTAIN = 0.99
# How much of a usual row counts in the estimates of its cluster, below which it is called a stray.
STRAY = 0.5
# Rows that two groups have together, of those that either has, above which they are told as one
# group: no other group can share as many with either.
SAME_GROUP = 0.5
# Share of a component's rows that are most probably another's, from which on the two are one group:
# that of fpc, Hennig (2010), Advances in Data Analysis and Classification 4:3.
MERGED = 0.025
# Overlap of two clusters below which only that is told.
SMALLEST_OVERLAP = 0.001
# Sensitivity to the prior by power scaling from which on it matters: Kallioinen, Paananen, Bürkner
# and Vehtari (2024), Statistics and Computing 34:57.
PRIOR_MATTERS = 0.05
# Distance, nats, from the best log likelihood known within which a fit has reached it.
REACHED = 0.01
# Least share of the mean square of a factor's aligned loadings that their mean must hold to be
# shown: below, the alignment shows what noise it was given.
AGREED_LOADINGS = 0.5
