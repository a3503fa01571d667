"""Forests: trained boosters -> tables -> margins, bit for bit as XGBoost computes them."""
