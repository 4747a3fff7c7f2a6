/// The area under the ROC curve, exactly: the share of pairs of a positive and a negative row in which the positive one has
/// the higher score, ties counting half (Hanley and McNeil, Radiology 143, 1982). The same as scikit-learn's
/// `roc_auc_score` and the Mann-Whitney statistic over the number of pairs.
///
/// The rows of a score are one weight of `WeightedValues`: positive ones count 1, negative ones `negative`. So equal scores
/// share an entry, rows can be taken back, and groups can be merged. Up to 2^31 rows a group.
enum AreaUnderCurve {
    static let negative: Int64 = 1 << 32

    /// - Parameter weights: in ascending order of their scores.
    /// - Returns: nil without a row of each class.
    static func of(_ weights: [Int64]) -> Double? {
        var (positives, negatives) = (0.0, 0.0)
        var pairs = 0.0
        for weight in weights {
            let up = Double(weight & 0xFFFF_FFFF)
            let down = Double(weight >> 32)
            pairs += up * (negatives + down / 2)
            positives += up
            negatives += down
        }
        return positives > 0 && negatives > 0 ? pairs / (positives * negatives) : nil
    }
}
