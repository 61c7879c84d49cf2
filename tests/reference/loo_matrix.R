# WAIC and PSIS-LOO of a log-likelihood array that a formula gives: R's loo package -> loo_matrix.json
# Park and Miller's generator, exact in doubles; log ratios -log p are k times exponential ones, so
# that the Pareto shape of row i is k[i]: from none to above 0.7.
# Run in this folder: Rscript loo_matrix.R
suppressMessages({library(loo); library(jsonlite)})
draws <- 225; chains <- 4; rows <- 20
uniform <- numeric(draws * chains * rows)
state <- 20261121
for (j in seq_along(uniform)) {
  state <- (16807 * state) %% 2147483647
  uniform[j] <- state / 2147483647
}
k <- seq(0.04, 0.8, length.out = rows)
log_lik <- array(log(uniform), c(draws, chains, rows)) # draws vary fastest, rows slowest
for (i in 1:rows) log_lik[, , i] <- k[i] * log_lik[, , i] - 0.1 * i
l <- loo(log_lik, r_eff = rep(1, rows))
w <- suppressWarnings(waic(log_lik))
out <- list(
  note = "formula in loo_matrix.R", R = R.version.string, loo = as.character(packageVersion("loo")),
  elpd_loo = l$estimates["elpd_loo", "Estimate"], se_elpd_loo = l$estimates["elpd_loo", "SE"],
  p_loo = l$estimates["p_loo", "Estimate"], elpd_loo_i = l$pointwise[, "elpd_loo"],
  pareto_k = l$diagnostics$pareto_k,
  elpd_waic = w$estimates["elpd_waic", "Estimate"], se_elpd_waic = w$estimates["elpd_waic", "SE"],
  p_waic = w$estimates["p_waic", "Estimate"], elpd_waic_i = w$pointwise[, "elpd_waic"]
)
write_json(out, "loo_matrix.json", auto_unbox = TRUE, pretty = TRUE, digits = 15)
