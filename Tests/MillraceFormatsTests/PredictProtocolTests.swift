import MillraceCore
import MillraceTestSupport
import Testing

@testable import MillraceFormats

/// Bodies of the predict protocol, byte by byte.
struct PredictProtocolTests {
    private let arena = BatchArena()

    private func batch(_ schema: Schema, _ rows: [[Value]]) -> ColumnBatch {
        let batch = ColumnBatch(schema)
        for row in rows { for (column, value) in zip(batch.columns, row) { column.append(value, arena: arena) } }
        batch.count = rows.count
        return batch
    }

    private static let two = Schema(("age", .integer), ("name", .string))
    private static let rows: [[Value]] = [[.integer(1), .string("a\"b")], [.integer(-2), .null]]

    @Test(arguments: [
        (
            PredictRequestEncoder.Form.instances, false,
            #"{"instances":[{"age":1,"name":"a\"b"},{"age":-2,"name":null}]}"#
        ),
        (.instances, true, #"{"instances":[{"age":[1],"name":["a\"b"]},{"age":[-2],"name":[null]}]}"#),
        (.instanceLists, false, #"{"instances":[[1,"a\"b"],[-2,null]]}"#),
        (.inputs, false, #"{"inputs":{"age":[1,-2],"name":["a\"b",null]}}"#),
        (.inputs, true, #"{"inputs":{"age":[[1],[-2]],"name":[["a\"b"],[null]]}}"#),
        (.inputLists, false, #"{"inputs":[[1,"a\"b"],[-2,null]]}"#),
    ])
    func requests(form: PredictRequestEncoder.Form, wraps: Bool, expected: String) throws {
        let encoder = try PredictRequestEncoder(Self.two, form: form, wraps: wraps, signatureName: nil)
        let batch = batch(Self.two, Self.rows)
        let buffer = ByteBuffer()
        buffer.append("left over")
        try encoder.encode(batch, into: buffer)
        #expect(buffer.text == expected)
    }

    @Test func oneInputIsSentBareAndTheSignatureByName() throws {
        let schema = Schema(("x", .array(.double)))
        let batch = batch(schema, [[.array([.double(1), .double(2.5)])], [.array([])]])
        let buffer = ByteBuffer()
        try PredictRequestEncoder(schema, form: .instanceLists, wraps: false, signatureName: "serving \"x\"").encode(
            batch, into: buffer)
        #expect(buffer.text == #"{"signature_name":"serving \"x\"","instances":[[1.0,2.5],[]]}"#)
        try PredictRequestEncoder(schema, form: .inputs, wraps: true, signatureName: nil).encode(batch, into: buffer)
        #expect(buffer.text == #"{"inputs":{"x":[[1.0,2.5],[]]}}"#)
    }

    private func decode(_ text: String, _ schema: Schema, names: [String]? = nil, rows: Int = 2) -> String {
        let decoder = PredictAnswerDecoder(names ?? schema.fields.map(\.name), schema: schema)
        let columns = schema.fields.map { Column($0.type) }
        let arena = BatchArena()
        var bytes = Array(text.utf8)
        return bytes.withUnsafeMutableBufferPointer { buffer in
            do throws(PredictAnswerDecoder.Fault) {
                try decoder.decode(
                    ByteRef(start: UnsafePointer(buffer.baseAddress!), count: buffer.count), rows: rows, into: columns,
                    arena: arena)
            } catch {
                return error.detail
            }
            return (0..<rows).map { row in
                columns.map { column in
                    switch column.value(at: row) {
                    case .double(let x): "\(x)"
                    case .integer(let x): "\(x)"
                    case .string(let x): x
                    case .null: "NULL"
                    case .error(let code): code.reason
                    case .array(let cells): "\(cells.count) elements"
                    default: "?"
                    }
                }.joined(separator: " ")
            }.joined(separator: ", ")
        }
    }

    private static let price = Schema(("price", .double))
    private static let both = Schema(("price", .double), ("label", .string))
    private static let parts = Schema(("p_1", .double), ("p_0", .double))

    @Test(arguments: [
        (#"{"predictions": [1.5, 2]}"#, price, "1.5, 2.0"),
        (#"{"predictions":[[1.5],[[2]]], "model":{"a":[1,{}]}}"#, price, "1.5, 2.0"),
        (#"{"predictions":[{"other":[1],"price":1},{"price":[2e0]}]}"#, price, "1.0, 2.0"),
        (#"{"outputs":[1,2]}"#, price, "1.0, 2.0"),
        (#"{"outputs":{"x":[[1]],"price":[[1],[2]]}}"#, price, "1.0, 2.0"),
        (#"{"predictions":[null, NaN]}"#, price, "NULL, model returned NaN"),
        (#"{"predictions":[Infinity, -Infinity]}"#, price, "model returned NaN, model returned NaN"),
        (#"{"predictions":[[1,"a"],[2,"b\u00e9"]]}"#, both, "1.0 a, 2.0 bé"),
        (#"{"predictions":[{"label":"a","price":1},{"price":2,"label":null}]}"#, both, "1.0 a, 2.0 NULL"),
        (#"{"outputs":{"label":["a","b"],"price":[1,2]}}"#, both, "1.0 a, 2.0 b"),
        (#"{"predictions":[{"p":[0.25,0.75]},{"p":[0.5,0.5]}]}"#, parts, "0.75 0.25, 0.5 0.5"),
        (#"{"outputs":{"p":[[0.25,0.75],[0.5,0.5]]}}"#, parts, "0.75 0.25, 0.5 0.5"),
        (#"{"predictions":[[1,2,3],[4]]}"#, Schema(("v", .array(.double))), "3 elements, 1 elements"),
        // What is wrong, and never with a value in it.
        (#"{"predictions":[1]}"#, price, "the answer has 1 prediction for 2 rows"),
        (#"{"predictions":[1,2,3]}"#, price, "the answer has 3 predictions for 2 rows"),
        (#"{"outputs":{"price":[1]}}"#, price, #"output "price" of the answer has 1 values for 2 rows"#),
        (#"{"predictions":[1,"two"]}"#, price, #"output "price" of the answer is no DOUBLE"#),
        (#"{"predictions":[{"cost":1},{"cost":2}]}"#, price, #"a prediction has no value for output "price""#),
        (#"{"outputs":{"cost":[1,2]}}"#, price, #"the answer has no output "price""#),
        (
            #"{"predictions":[[1,2],[3,4]]}"#, price,
            "a prediction is a list of more values than the model has OUTPUT columns (1)"
        ),
        (#"{"predictions":[1,2]}"#, both, "a prediction is one value, the model has 2 OUTPUT columns"),
        (#"{"predictions":[[1],[2]]}"#, both, #"a prediction has no value for output "label""#),
        (#"{"error":"no"}"#, price, #"the answer has neither "predictions" nor "outputs""#),
        (#"{"predictions":[1,2]"#, price, "the answer is no JSON"),
        (#"{"predictions":[1,2]}}"#, price, "the answer is no JSON"),
        ("<html>", price, "the answer is no JSON"),
        ("", price, "the answer is no JSON"),
    ])
    func answers(text: String, schema: Schema, expected: String) {
        #expect(decode(text + (text.isEmpty ? " " : ""), schema) == expected)
    }

    @Test func outputsMayHaveOtherNamesThanTheirColumns() {
        #expect(
            decode(#"{"predictions":[{"dense_3":[1]},{"dense_3":[2]}]}"#, Self.price, names: ["dense_3"]) == "1.0, 2.0")
    }

    @Test(arguments: [
        (#"{"error": "no such model"}"#, "no such model"),
        (#"{"error": {"code": 404, "message": "gone", "status": "NOT_FOUND"}}"#, "gone"),
        (#"{"detail": "x"}"#, "x"), ("nothing", nil), (#"{"a":1}"#, nil), (#"{"error"#, nil),
    ])
    func errorText(text: String, expected: String?) {
        var bytes = Array(text.utf8)
        let found = bytes.withUnsafeMutableBufferPointer {
            PredictAnswerDecoder.error(in: ByteRef(start: UnsafePointer($0.baseAddress!), count: $0.count))
        }
        #expect(found == expected)
    }
}
