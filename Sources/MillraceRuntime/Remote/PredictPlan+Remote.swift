import MillraceCore

extension PredictPlan {
    /// From the moment a row comes until its answer must be there; nil: as long as it takes.
    var deadlineMicroseconds: Int64? { nil }
    /// What a row gets whose deadline has passed, one value an OUTPUT; nil: it becomes a dead letter.
    var defaults: [Value]? { nil }
    /// Most rows of one call; nil: what the model says.
    var rowsPerCall: Int? { nil }
}
