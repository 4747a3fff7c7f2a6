import MillraceCore
import MillraceRuntime
import MillraceTestSupport

/// Gives `input * factor` and takes `microseconds` of the clock a call; fails on what it is told to.
final class ScriptedScorer: Scorer {
    let factor: Double
    let microseconds: Int64
    let failsOn: Set<Int64>
    let clock: ManualClock?
    /// Rows of each call.
    private(set) var calls: [Int] = []

    init(_ factor: Double, microseconds: Int64 = 0, clock: ManualClock? = nil, failsOn: Set<Int64> = []) {
        self.factor = factor
        self.microseconds = microseconds
        self.clock = clock
        self.failsOn = failsOn
    }

    func score(_ inputs: [Column], rows: Int, into outputs: [Column], arena: BatchArena) {
        calls.append(rows)
        clock?.advance(microseconds: microseconds)
        for row in 0..<rows {
            if failsOn.contains(inputs[0].ints[row]) {
                outputs[0].append(state: RowErrorCode.modelError.rawValue)
            } else {
                outputs[0].append(double: Double(inputs[0].ints[row]) * factor)
            }
        }
    }

    func ready(_ version: String) -> ReadyScorer {
        ReadyScorer(scorer: self, version: version, contentHash: version + "-hash")
    }
}

/// ML_PREDICT over a table `(id BIGINT, account STRING)`: a model of `id` with the output `y DOUBLE`.
struct PredictCase {
    static let input = Schema(("id", .bigInt), ("account", .string))

    var receipts: [PredictReceipt] = []
    var contract = PredictContract()
    var canary: CanaryPlan?
    var shadow: ShadowPlan?
    var monitor = ModelMonitor()
    var clock = ManualClock()

    func harness(_ lanes: PredictLanes, limits: Limits = Limits()) -> OperatorHarness {
        let predict = PredictOperator(
            PredictPlan(
                model: 0, arguments: [0], receipts: receipts, contract: contract, canaryKey: canary == nil ? nil : 1),
            input: PredictCase.input,
            model: ModelPlan(
                name: "m", provider: "test", options: [:], inputs: Schema(("x", .bigInt)),
                outputs: Schema(("y", .double)), shadow: shadow, canary: canary),
            lanes: lanes, monitor: monitor, object: "m", limits: limits)
        return OperatorHarness(predict, input: PredictCase.input, clock: clock)
    }

    static func row(_ id: Int64, _ account: String = "a") -> ScriptedRow {
        ScriptedRow([.integer(id), .string(account)])
    }
}
