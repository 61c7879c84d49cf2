// The built-in model of bayesgmm, its recording error included, in the names that `adopt` reads.
// Everything is added to target with its constants, so that log_prior can be compared term by term.
functions {
  vector log_density(array[] vector x, vector weights, array[] vector means,
                     array[] matrix covariances) {
    int K = rows(weights);
    int N = size(x);
    matrix[N, K] part;
    vector[N] total;
    for (k in 1 : K) {
      matrix[rows(means[k]), rows(means[k])] L = cholesky_decompose(covariances[k]);
      for (n in 1 : N) {
        part[n, k] = log(weights[k]) + multi_normal_cholesky_lpdf(x[n] | means[k], L);
      }
    }
    for (n in 1 : N) {
      total[n] = log_sum_exp(part[n]);
    }
    return total;
  }
  real log_prior_density(vector weights, array[] vector means, array[] vector scales,
                         array[] matrix factors, vector concentration, vector mean_location,
                         vector mean_scale, vector scale, real scale_sigma, real eta) {
    real total = dirichlet_lpdf(weights | concentration);
    for (k in 1 : rows(weights)) {
      total += normal_lpdf(means[k] | mean_location, mean_scale);
      total += lognormal_lpdf(scales[k] | log(scale), scale_sigma);
      total += lkj_corr_cholesky_lpdf(factors[k] | eta);
    }
    return total;
  }
}
data {
  int<lower=1> N;
  int<lower=1> D;
  int<lower=1> K;
  array[N] vector[D] x;
  vector<lower=0>[D] resolution; // standard deviation of the recording error
  vector<lower=0>[K] concentration;
  vector[D] mean_location;
  vector<lower=0>[D] mean_scale;
  vector<lower=0>[D] scale;
  real<lower=0> scale_sigma;
  real<lower=0> eta;
}
parameters {
  simplex[K] weights;
  array[K] vector[D] means;
  array[K] vector<lower=0>[D] scales;
  array[K] cholesky_factor_corr[D] factors;
}
transformed parameters {
  array[K] matrix[D, D] covariances;
  for (k in 1 : K) {
    covariances[k] = add_diag(
      multiply_lower_tri_self_transpose(diag_pre_multiply(scales[k], factors[k])),
      square(resolution));
  }
}
model {
  target += log_prior_density(weights, means, scales, factors, concentration, mean_location,
                              mean_scale, scale, scale_sigma, eta);
  target += sum(log_density(x, weights, means, covariances));
}
generated quantities {
  array[K] matrix[D, D] correlations;
  real log_prior = log_prior_density(weights, means, scales, factors, concentration,
                                     mean_location, mean_scale, scale, scale_sigma, eta);
  vector[N] log_lik = log_density(x, weights, means, covariances);
  for (k in 1 : K) {
    correlations[k] = multiply_lower_tri_self_transpose(factors[k]);
  }
}
