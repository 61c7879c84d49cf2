"""The literature behind a report, as text and as BibTeX."""

from dataclasses import dataclass
from importlib.metadata import version

from bayesgmm.report.subject import Subject

__all__ = ["KNOWN", "Reference", "bibliography", "references"]


@dataclass(frozen=True)
class Reference:
    """One source.

    Parameters
    ----------
    key : str
        Its key in BibTeX.
    authors : str
        Joined by "and", as BibTeX has them.
    year : int
    title, journal, place : str
        Place is the volume, with pages after a colon.
    """

    key: str
    authors: str
    year: int
    title: str
    journal: str
    place: str

    @property
    def text(self) -> str:
        """The reference as a line of text."""
        names = self.authors.split(" and ")
        listed = names[0] if len(names) == 1 else f"{'; '.join(names[:-1])} & {names[-1]}"
        return f"{listed} ({self.year}). {self.title}. {self.journal} {self.place}."

    @property
    def bibtex(self) -> str:
        """The reference as an entry of a .bib file."""
        volume, _, pages = self.place.partition(":")
        fields = {
            "author": self.authors,
            "year": str(self.year),
            "title": f"{{{self.title}}}",
            "journal": self.journal,
            "volume": volume,
            "pages": pages.replace("-", "--"),
        }
        lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
        return "\n".join([f"@article{{{self.key},", *lines, "}"])


_STATISTICAL = "Journal of the Royal Statistical Society B"
_COMPUTING = "Statistics and Computing"
_BAYESIAN = "Bayesian Analysis"
KNOWN = {
    reference.key: reference
    for reference in (
        Reference("abrilpla2023", "Abril-Pla, O. and Andreani, V. and Carroll, C. and others", 2023,
                  "PyMC: a modern, and comprehensive probabilistic programming framework in Python",
                  "PeerJ Computer Science", "9:e1516"),
        Reference("biernacki2000", "Biernacki, C. and Celeux, G. and Govaert, G.", 2000,
                  "Assessing a mixture model for clustering with the integrated completed "
                  "likelihood",
                  "IEEE Transactions on Pattern Analysis and Machine Intelligence", "22:719-725"),
        Reference("delmoral2006", "Del Moral, P. and Doucet, A. and Jasra, A.", 2006,
                  "Sequential Monte Carlo samplers", _STATISTICAL, "68:411-436"),
        Reference("dempster1977", "Dempster, A. P. and Laird, N. M. and Rubin, D. B.", 1977,
                  "Maximum likelihood from incomplete data via the EM algorithm",
                  _STATISTICAL, "39:1-38"),
        Reference("drton2017", "Drton, M. and Plummer, M.", 2017,
                  "A Bayesian information criterion for singular models", _STATISTICAL,
                  "79:323-380"),
        Reference("fruehwirth2004", "Frühwirth-Schnatter, S.", 2004,
                  "Estimating marginal likelihoods for mixture and Markov switching models using "
                  "bridge sampling techniques", "The Econometrics Journal", "7:143-167"),
        Reference("fruehwirth2021",
                  "Frühwirth-Schnatter, S. and Malsiner-Walli, G. and Grün, B.", 2021,
                  "Generalized mixtures of finite mixtures and telescoping sampling",
                  _BAYESIAN, "16:1279-1307"),
        Reference("gelman1996", "Gelman, A. and Meng, X.-L. and Stern, H.", 1996,
                  "Posterior predictive assessment of model fitness via realized discrepancies",
                  "Statistica Sinica", "6:733-807"),
        Reference("hennig2010", "Hennig, C.", 2010,
                  "Methods for merging Gaussian mixture components",
                  "Advances in Data Analysis and Classification", "4:3-34"),
        Reference("hoffman2014", "Hoffman, M. D. and Gelman, A.", 2014,
                  "The No-U-Turn sampler: adaptively setting path lengths in Hamiltonian Monte "
                  "Carlo",
                  "Journal of Machine Learning Research", "15:1593-1623"),
        Reference("kallioinen2024",
                  "Kallioinen, N. and Paananen, T. and Bürkner, P.-C. and Vehtari, A.", 2024,
                  "Detecting and diagnosing prior and likelihood sensitivity with power-scaling",
                  _COMPUTING, "34:57"),
        Reference("kumar2019", "Kumar, R. and Carroll, C. and Hartikainen, A. and Martin, O.", 2019,
                  "ArviZ a unified library for exploratory analysis of Bayesian models in Python",
                  "Journal of Open Source Software", "4:1143"),
        Reference("lewandowski2009", "Lewandowski, D. and Kurowicka, D. and Joe, H.", 2009,
                  "Generating random correlation matrices based on vines and extended onion method",
                  "Journal of Multivariate Analysis", "100:1989-2001"),
        Reference("peel2000", "Peel, D. and McLachlan, G. J.", 2000,
                  "Robust mixture modelling using the t distribution", _COMPUTING, "10:339-348"),
        Reference("meng1996", "Meng, X.-L. and Wong, W. H.", 1996,
                  "Simulating ratios of normalizing constants via a simple identity: a theoretical "
                  "exploration", "Statistica Sinica", "6:831-860"),
        Reference("miller2019", "Miller, J. W. and Dunson, D. B.", 2019,
                  "Robust Bayesian inference via coarsening",
                  "Journal of the American Statistical Association", "114:1113-1125"),
        Reference("punzo2016", "Punzo, A. and McNicholas, P. D.", 2016,
                  "Parsimonious mixtures of multivariate contaminated normal distributions",
                  "Biometrical Journal", "58:1506-1537"),
        Reference("rubin1976", "Rubin, D. B.", 1976, "Inference and missing data", "Biometrika",
                  "63:581-592"),
        Reference("schwarz1978", "Schwarz, G.", 1978, "Estimating the dimension of a model",
                  "Annals of Statistics", "6:461-464"),
        Reference("stephens2000", "Stephens, M.", 2000,
                  "Dealing with label switching in mixture models", _STATISTICAL, "62:795-809"),
        Reference("vehtari2017", "Vehtari, A. and Gelman, A. and Gabry, J.", 2017,
                  "Practical Bayesian model evaluation using leave-one-out cross-validation and "
                  "WAIC",
                  _COMPUTING, "27:1413-1432"),
        Reference("vehtari2021",
                  "Vehtari, A. and Gelman, A. and Simpson, D. and Carpenter, B. and Bürkner, P.-C.",
                  2021, "Rank-normalization, folding, and localization: an improved R-hat for "
                  "assessing convergence of MCMC", _BAYESIAN, "16:667-718"),
        Reference("vehtari2024",
                  "Vehtari, A. and Simpson, D. and Gelman, A. and Yao, Y. and Gabry, J.", 2024,
                  "Pareto smoothed importance sampling", "Journal of Machine Learning Research",
                  "25:1-58"),
        Reference("wade2018", "Wade, S. and Ghahramani, Z.", 2018,
                  "Bayesian cluster analysis: point estimation and credible balls", _BAYESIAN,
                  "13:559-626"),
        Reference("yao2018", "Yao, Y. and Vehtari, A. and Simpson, D. and Gelman, A.", 2018,
                  "Using stacking to average Bayesian predictive distributions", _BAYESIAN,
                  "13:917-1007"),
    )
}  # fmt: skip


def references(subject: Subject) -> list[Reference]:
    """Return the sources of the methods that a report uses, by the alphabet."""
    keys = {"abrilpla2023", "kumar2019", "vehtari2021"}
    draws = subject.draws
    if subject.sampler.get("method") == "nuts":
        keys.add("hoffman2014")
    if subject.elpd is not None:
        keys.add("vehtari2017")
    if subject.gaussian:
        keys.add("gelman1996")
    if subject.groups is not None:
        keys.add("wade2018")
    if subject.prior_weight is not None:
        keys.add("kallioinen2024")
    if subject.n_clusters > 1 and subject.named:
        keys.add("stephens2000")
    if subject.has_missing:
        keys.add("rubin1976")
    resolved = subject.resolved
    if resolved is not None and resolved.structure.has_correlations(resolved.n_features):
        keys.add("lewandowski2009")
    if draws.parameters.nu is not None:
        keys.add("peel2000")
    if draws.parameters.inflation is not None:
        keys.add("punzo2016")
    if subject.robustness is not None:
        keys |= {"miller2019", "vehtari2024"}
    if subject.comparison is not None:
        keys |= {"dempster1977", "schwarz1978", "biernacki2000", "drton2017", "hennig2010"}
        keys |= {"yao2018"} if subject.comparison.elpds["loo"] else set()
        if subject.comparison.table["log_evidence"].notna().any():
            keys |= {"meng1996", "fruehwirth2004", "delmoral2006"}
    found = [KNOWN[key] for key in keys]
    return sorted(found, key=lambda reference: (reference.authors, reference.year))


def bibliography(subject: Subject) -> str:
    """Return the sources, and the package itself, as the text of a .bib file."""
    return "\n\n".join([_own(), *(reference.bibtex for reference in references(subject))]) + "\n"


def _own() -> str:
    return "\n".join(
        [
            "@software{bayesgmm,",
            "  author = {{The bayesgmm developers}},",
            "  title = {{bayesgmm: Gaussian mixtures with honest uncertainty}},",
            f"  version = {{{version('bayesgmm')}}},",
            "  license = {Apache-2.0},",
            "}",
        ]
    )
