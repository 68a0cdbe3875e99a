"""The classifier of both probe scripts: standardised features, L2 chosen on a fifth held out, logistic regression by L-BFGS."""
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler


def fit(x, y):
    scaler = StandardScaler().fit(x)
    x = scaler.transform(x)
    learn, check, learn_y, check_y = train_test_split(x, y, test_size=0.2, stratify=y, random_state=42)
    tried = [(LogisticRegression(C=c, max_iter=1000).fit(learn, learn_y).score(check, check_y), c) for c in (1e-4, 1e-3, 1e-2, 0.1, 1)]
    best, c = max(tried)
    return scaler, LogisticRegression(C=c, max_iter=1000).fit(x, y), best
