import MillraceCore
import MillraceFormats
import MillraceRuntime

/// A model behind the predict protocol of TensorFlow Serving, KServe v1 and AI Platform.
///
/// Nothing connects before the first row: whether the server knows the model shows in its answers. What can be checked before is.
final class HTTPModel: RemoteModel {
    let options: HTTPOptions
    let signature: ModelSignature
    private let label: String
    var version: String { options.version }
    var settings: RemoteSettings { options.remote }

    init(_ plan: ModelPlan, baseDirectory: String) throws(Diagnostic) {
        label = "model \"\(plan.name)\""
        options = try HTTPOptions(plan, baseDirectory: baseDirectory)
        func columns(_ schema: Schema) -> [ModelSignature.Column] {
            schema.fields.map { ModelSignature.Column(name: $0.name, type: $0.type) }
        }
        signature = ModelSignature(
            inputs: columns(plan.inputs), outputs: columns(plan.outputs),
            facts: ["predict protocol at \(options.shownURL)"])
        _ = try makeEncoder(plan.inputs)
        for field in plan.outputs.fields {
            switch field.type {
            case .binary, .varbinary, .map, .multiset, .row:
                throw Diagnostic(
                    "\(label): OUTPUT column \"\(field.name)\" is \(field.type), which an answer does not hold",
                    at: plan.range, hint: "Numbers, BOOLEAN, STRING, times and ARRAYs of them are read.")
            default: break
            }
        }
        try CurlLibrary.load()
    }

    private func makeEncoder(_ inputs: Schema) throws(Diagnostic) -> PredictRequestEncoder {
        do {
            return try PredictRequestEncoder(
                inputs, form: options.form, wraps: options.wraps, signatureName: options.signatureName)
        } catch {
            throw Diagnostic("\(label): \(error.message)", hint: error.hint)
        }
    }

    func makeClient(inputs: Schema, outputs: Schema, limits: Limits, clock: any Clock) throws(Diagnostic)
        -> any RemoteClient
    {
        try HTTPClient(
            options, encoder: makeEncoder(inputs),
            decoder: PredictAnswerDecoder(
                options.outputNames.isEmpty ? outputs.fields.map(\.name) : options.outputNames, schema: outputs),
            answerBytesMax: limits.messageBytes, clock: clock)
    }

    /// For callers that wait: one call at a time, no second attempt.
    func makeScorer(inputs: Schema, outputs: Schema, maxRows: Int) throws(Diagnostic) -> any Scorer {
        WaitingScorer(
            try makeClient(inputs: inputs, outputs: outputs, limits: Limits(), clock: SystemClock()), inputs, outputs)
    }
}

/// Sends a batch and waits for the answer. Not for pipelines.
final class WaitingScorer: Scorer {
    private let client: any RemoteClient
    private let inputs: Schema
    private let outputs: Schema
    private let clock = SystemClock()

    init(_ client: any RemoteClient, _ inputs: Schema, _ outputs: Schema) {
        self.client = client
        self.inputs = inputs
        self.outputs = outputs
    }

    deinit { client.close() }

    func score(_ inputs: [Column], rows: Int, into outputs: [Column], arena: BatchArena) {
        let call = RemoteCall(inputs: self.inputs, outputs: self.outputs, rows: rows)
        call.inputs.columns = inputs
        call.inputs.count = rows
        client.begin(call, now: clock.monotonicMicroseconds())
        var ended: [RemoteCall] = []
        while ended.isEmpty {
            HTTPClient.wait(client, clock: clock)
            client.drive(now: clock.monotonicMicroseconds(), ended: &ended)
        }
        for (column, result) in zip(outputs, call.results) {
            guard call.outcome == .answered else {
                for _ in 0..<rows { column.append(state: RowErrorCode.modelError.rawValue) }
                continue
            }
            // Strings lie in the call, which ends here.
            for row in 0..<rows { column.append(result.value(at: row), arena: arena) }
        }
    }
}
