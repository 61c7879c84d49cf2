# Standard errors of faithful's fit VVV, K = 2, by the parametric and by the nonparametric bootstrap
# -> mclust_bootstrap.json. Components are ordered by the mean of the first feature.
# Run in this folder: Rscript mclust_bootstrap.R
suppressMessages({library(mclust); library(jsonlite)})
Y <- as.matrix(read.csv("../../models/data/faithful.csv"))
fit <- Mclust(Y, G = 2, modelNames = "VVV", verbose = FALSE)
order <- order(fit$parameters$mean[1, ])
out <- list(R = R.version.string, mclust = as.character(packageVersion("mclust")), nboot = 2000)
for (type in c("pb", "bs")) {
  set.seed(20261121)
  se <- summary(MclustBootstrap(fit, nboot = 2000, type = type, verbose = FALSE), what = "se")
  out[[type]] <- list(
    weights = se$pro[order], means = t(se$mean)[order, ],
    covariances = aperm(se$variance, c(3, 1, 2))[order, , ]
  )
}
write_json(out, "mclust_bootstrap.json", auto_unbox = TRUE, pretty = TRUE, digits = 10)
