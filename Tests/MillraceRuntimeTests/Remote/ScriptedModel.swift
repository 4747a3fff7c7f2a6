import MillraceCore
import MillraceTestSupport

@testable import MillraceRuntime

/// A model server in the test's hands: attempts end when the script says so. The answer is twice the first input.
final class ScriptedClient: RemoteClient {
    let descriptor: Int32 = -1
    /// Asks to be driven again at once while attempts are on their way.
    var isImpatient = false
    var deadline: Int64? { isImpatient && !running.isEmpty ? 0 : nil }
    private(set) var running: [RemoteCall] = []
    /// Rows of every attempt, in order.
    private(set) var attempts: [[Int64]] = []
    private(set) var cancelled = 0
    private(set) var mostRunning = 0
    private var done: [RemoteCall] = []
    /// Asked at every `drive` for each attempt that is on its way; nil: not yet.
    var policy: (RemoteCall) -> RemoteOutcome? = { _ in nil }

    func begin(_ call: RemoteCall, now: Int64) {
        running.append(call)
        mostRunning = max(mostRunning, running.count)
        attempts.append(ScriptedClient.rows(call))
    }
    func cancel(_ call: RemoteCall) {
        cancelled += 1
        running.removeAll { $0 === call }
    }
    func close() {}

    static func rows(_ call: RemoteCall) -> [Int64] { (0..<call.rows).map { call.inputs.columns[0].ints[$0] } }

    /// Ends the attempt that is `index`-th among those on their way.
    func end(_ index: Int, _ outcome: RemoteOutcome = .answered) {
        let call = running.remove(at: index)
        finish(call, outcome)
        done.append(call)
    }

    private func finish(_ call: RemoteCall, _ outcome: RemoteOutcome) {
        call.outcome = outcome
        guard outcome == .answered else { return }
        for row in 0..<call.rows {
            let value = call.inputs.columns[0].ints[row]
            // The text lies in the answer, as a decoder's would.
            call.results[0].append(int: value * 2)
            call.results[1].append(bytes: call.arena.copy("v\(value)"))
        }
    }

    func drive(now: Int64, ended: inout [RemoteCall]) {
        for call in running {
            guard let outcome = policy(call) else { continue }
            running.removeAll { $0 === call }
            finish(call, outcome)
            done.append(call)
        }
        ended += done
        done = []
    }
}

final class ScriptedModel: RemoteModel, @unchecked Sendable {
    // One test, one thread.
    let client: ScriptedClient
    var settings = RemoteSettings()
    let signature = ModelSignature(inputs: [], outputs: [])
    let version = "7"

    init(_ client: ScriptedClient = ScriptedClient()) { self.client = client }

    static let inputs = Schema(("id", .bigInt))
    static let outputs = Schema(("doubled", .bigInt), ("text", .string))

    func makeScorer(inputs: Schema, outputs: Schema, maxRows: Int) throws(Diagnostic) -> any Scorer {
        throw Diagnostic("not here", fault: .bug)
    }
    func makeClient(inputs: Schema, outputs: Schema, limits: Limits, clock: any Clock) throws(Diagnostic)
        -> any RemoteClient
    { client }

    /// Over rows `(id BIGINT, name STRING)`.
    func makeOperator(
        _ input: Schema, argument: Int = 0, clock: any Clock, limits: Limits = Limits(), storesPositions: Bool = true,
        skipsReplayed: Bool = true, contract: PredictContract = PredictContract(), receipts: [PredictReceipt] = []
    ) throws -> RemotePredictOperator {
        try RemotePredictOperator(
            PredictPlan(model: 0, arguments: [argument], receipts: receipts, contract: contract), input: input,
            model: self,
            inputs: Self.inputs, outputs: Self.outputs, skipsReplayed: skipsReplayed,
            storesPositions: storesPositions, index: 0, monitor: ModelMonitor(), object: "m", limits: limits,
            clock: clock, log: .silent)
    }
}
