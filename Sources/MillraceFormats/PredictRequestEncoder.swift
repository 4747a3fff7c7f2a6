package import MillraceCore

/// Rows to the body of a predict request: TensorFlow Serving's REST protocol, which KServe v1 and AI Platform share.
///
/// `{"signature_name": …, "instances": [row, …]}` (row form) or `{…, "inputs": …}` (column form). Allocates nothing for a row.
package final class PredictRequestEncoder {
    package enum Form: String, CaseIterable, Sendable {
        /// `"instances": [{"a": 1, "b": 2}, …]`
        case instances
        /// `"instances": [[1, 2], …]`: one tensor of all inputs. With one input the value itself.
        case instanceLists = "instance-lists"
        /// `"inputs": {"a": [1, …], "b": [2, …]}`
        case inputs
        /// `"inputs": [[1, 2], …]`: one tensor of all inputs. With one input the value itself.
        case inputLists = "input-lists"
    }
    private let form: Form
    /// A value that is no list of its own becomes one of one element: tensors of shape [N, 1].
    private let wraps: Bool
    private let count: Int
    private let isList: [Bool]
    private let encoder: JSONRowEncoder
    private let head = ByteBuffer()
    private let names: [ByteBuffer]

    /// - Throws: `.user` for an input of a type that JSON cannot write.
    package init(_ schema: Schema, form: Form, wraps: Bool, signatureName: String?) throws(Diagnostic) {
        self.form = form
        self.wraps = wraps
        count = schema.count
        isList = schema.fields.map { if case .array = $0.type { true } else { false } }
        let options = try JSONEncodeOptions(
            FormatOptions(format: "json", part: nil, options: ["json.encode.decimal-as-plain-number": "true"]))
        encoder = try JSONRowEncoder(options, schema: schema, columns: Array(schema.fields.indices))
        names = schema.fields.map { PredictRequestEncoder.quoted($0.name) }
        head.append(0x7B)
        if let signatureName {
            head.append("\"signature_name\":")
            let name = PredictRequestEncoder.quoted(signatureName)
            withExtendedLifetime(name) { head.append(name.bytes) }
            head.append(0x2C)
        }
        switch form {
        case .instances, .instanceLists: head.append("\"instances\":")
        case .inputs, .inputLists: head.append("\"inputs\":")
        }
    }

    private static func quoted(_ text: String) -> ByteBuffer {
        let buffer = ByteBuffer()
        var text = text
        text.withUTF8 { bytes in
            let ref = bytes.baseAddress.map { ByteRef(start: $0, count: bytes.count) } ?? .empty
            JSONOutput.appendString(ref, to: buffer)
        }
        return buffer
    }

    /// Replaces the contents of `buffer` by the request for all rows of `batch`, one column an input.
    package func encode(_ batch: ColumnBatch, into buffer: ByteBuffer) throws(Diagnostic) {
        buffer.clear()
        buffer.append(head.bytes)
        switch form {
        case .instances where !wraps:
            try rows(batch, buffer) { (row) throws(Diagnostic) in try encoder.encode(batch, row: row, into: buffer) }
        case .instances:
            try rows(batch, buffer) { (row) throws(Diagnostic) in
                buffer.append(0x7B)
                for column in 0..<count {
                    if column > 0 { buffer.append(0x2C) }
                    buffer.append(names[column].bytes)
                    buffer.append(0x3A)
                    try value(batch, column, row, buffer)
                }
                buffer.append(0x7D)
            }
        case .instanceLists, .inputLists:
            try rows(batch, buffer) { (row) throws(Diagnostic) in
                if count == 1 {
                    try value(batch, 0, row, buffer)
                } else {
                    try encoder.encodeList(batch, row: row, into: buffer)
                }
            }
        case .inputs:
            buffer.append(0x7B)
            for column in 0..<count {
                if column > 0 { buffer.append(0x2C) }
                buffer.append(names[column].bytes)
                buffer.append(0x3A)
                try rows(batch, buffer) { (row) throws(Diagnostic) in try value(batch, column, row, buffer) }
            }
            buffer.append(0x7D)
        }
        buffer.append(0x7D)
    }

    private func rows(
        _ batch: ColumnBatch, _ buffer: ByteBuffer, _ write: (Int) throws(Diagnostic) -> Void
    ) throws(Diagnostic) {
        buffer.append(0x5B)
        for row in 0..<batch.count {
            if row > 0 { buffer.append(0x2C) }
            try write(row)
        }
        buffer.append(0x5D)
    }

    private func value(_ batch: ColumnBatch, _ column: Int, _ row: Int, _ buffer: ByteBuffer) throws(Diagnostic) {
        let isWrapped = wraps && !isList[column]
        if isWrapped { buffer.append(0x5B) }
        try encoder.encodeValue(batch, column: column, row: row, into: buffer)
        if isWrapped { buffer.append(0x5D) }
    }
}
