import MillraceCore

extension PredictPlan {
    /// All input columns it reads.
    var columns: [Int] { arguments + (canaryKey.map { [$0] } ?? []) }
}

extension Explain {
    /// What else ML_PREDICT does with a row.
    static func contract(_ predict: PredictPlan, _ model: ModelPlan) -> [String] {
        var lines = predict.receipts.map { receipt in
            switch receipt.kind {
            case .version: "model version in \(receipt.name)"
            case .model: "model name in \(receipt.name)"
            case .hash: "model content hash in \(receipt.name)"
            case .latency: "microseconds in \(receipt.name)"
            case .timeout: "whether the deadline passed in \(receipt.name)"
            case .shadow: "the shadow's \(model.outputs[0].name) in \(receipt.name)"
            }
        }
        if let canary = model.canary {
            lines.append("canary \"\(canary.path)\" for \(canary.percent) % of the values of \(canary.key)")
        }
        if let shadow = model.shadow { lines.append("shadow \"\(shadow.path)\"") }
        if let deadline = predict.contract.deadlineMicroseconds {
            let then =
                if case .values = predict.contract.onTimeout { "default values" } else { "dead letter" }
            lines.append("deadline \(deadline) us, then \(then)")
        }
        if let rows = predict.contract.batchRows { lines.append("at most \(rows) rows at once") }
        return lines
    }
}
