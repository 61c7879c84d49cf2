# All structures, K = 1 to 9: mclust's defaults, then EM from there to 1e-13 -> mclust_grid.json.
# bic and icl with the sign turned (smaller is better); left out where EM ran into a singular covariance.
# weights, means (component, feature) and covariances: where mclust's default ended, seven digits.
# Run in this folder: Rscript mclust_grid.R
suppressMessages({library(mclust); library(jsonlite)})
control <- emControl(tol = c(1e-13, 1e-13), itmax = c(100000, 100000))
rows <- list()
for (name in c("faithful", "iris", "galaxies", "acidity")) {
  X <- read.csv(paste0("../../models/data/", name, ".csv"))
  Y <- as.matrix(X[sapply(X, is.numeric)]); D <- ncol(Y); n <- nrow(Y)
  y <- if (D == 1) as.numeric(Y) else Y
  models <- if (D == 1) c("V", "E") else mclust.options("emModelNames")
  table <- mclustBIC(y, G = 1:9, modelNames = models, verbose = FALSE)
  for (G in 1:9) for (model in models) {
    if (is.na(table[as.character(G), model])) next
    fit <- mclustModel(y, table, G = G, modelNames = model)
    row <- list(data = name, G = G, model = model, df = nMclustParams(model, D, G),
                loglik_default = fit$loglik)
    found <- fit$parameters
    covariances <- found$variance$sigma
    if (D == 1) covariances <- array(found$variance$sigmasq, c(1, 1, G))
    row$weights <- I(signif(if (G > 1) found$pro else 1, 7))
    row$means <- signif(t(matrix(found$mean, D, G)), 7)
    row$covariances <- signif(aperm(covariances, c(3, 1, 2)), 7)
    if (G > 1) fit <- me(y, modelName = model, z = fit$z, control = control)
    if (is.finite(fit$loglik)) {
      row$loglik <- fit$loglik
      row$bic <- -2 * fit$loglik + row$df * log(n)
      fit$bic <- -row$bic; fit$n <- n; fit$d <- D; fit$G <- G
      row$icl <- if (G == 1) row$bic else -icl(structure(fit, class = "Mclust"))
    }
    rows[[length(rows) + 1]] <- row
  }
}
out <- list(R = R.version.string, mclust = as.character(packageVersion("mclust")), rows = rows)
write_json(out, "mclust_grid.json", auto_unbox = TRUE, digits = NA)
