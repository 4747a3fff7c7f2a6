import MillraceCore

extension FunctionTable {
    private static let first = ResultType.argument(0)
    private static let int = ResultType.always(.integer)

    private static let element: @Sendable ([DataType]) -> DataType = { types in
        if case .array(let element)? = types.first { element } else { .null }
    }

    /// (ARRAY<T>, …): the others are cast to T.
    private static let likeElements: @Sendable ([DataType]) -> [DataType]? = { types in
        guard case .array(let element)? = types.first else { return nil }
        for other in types.dropFirst() where !Coercion.isImplicit(from: other, to: element) { return nil }
        return [types[0]] + types.dropFirst().map { _ in element }
    }

    /// All get their common type.
    private static let alike: @Sendable ([DataType]) -> [DataType]? = { types in
        var common = DataType.null
        for type in types {
            guard let next = Coercion.common(common, type) else { return nil }
            common = next
        }
        return types.map { _ in common }
    }

    private static func arrayFunction(
        _ name: String, to function: BuiltinFunction, _ parameters: [ParameterRule], optional: Int = 0,
        variadic: Bool = false, result: @escaping @Sendable ([DataType]) -> DataType, named: String = "as the argument",
        unify: (@Sendable ([DataType]) -> [DataType]?)? = nil, mayBeNull: Bool = false, _ documentation: String
    ) -> FunctionDeclaration {
        FunctionDeclaration(
            names: [name],
            overloads: [
                FunctionOverload(
                    parameters: parameters, optional: optional, isVariadic: variadic, function: function,
                    result: result, unify: unify, resultName: named)
            ], mayBeNull: mayBeNull, documentation: documentation)
    }

    static let nested: [FunctionDeclaration] = [
        FunctionDeclaration(
            names: ["CARDINALITY", "ARRAY_LENGTH"],
            overloads: [
                FunctionOverload(parameters: [.array], function: .cardinality, result: int),
                FunctionOverload(parameters: [.map], function: .cardinality, result: int),
            ], documentation: "How many elements"),
        arrayFunction(
            "ELEMENT", to: .arrayElement, [.array], result: element, named: "its element", mayBeNull: true,
            "The only element; NULL for none, more fail the row"),
        arrayFunction(
            "ARRAY_CONTAINS", to: .arrayContains, [.array, .any], result: ResultType.always(.boolean),
            named: "`BOOLEAN`", unify: likeElements, "Whether an element is there; NULL finds NULL"),
        arrayFunction(
            "ARRAY_APPEND", to: .arrayAppend, [.array, .any], result: first, unify: likeElements,
            "The array with one more element"),
        arrayFunction(
            "ARRAY_PREPEND", to: .arrayPrepend, [.array, .any], result: first, unify: likeElements,
            "The array with one more element in front"),
        arrayFunction(
            "ARRAY_CONCAT", to: .arrayConcat, [.array], variadic: true, result: first, unify: alike,
            "The arrays one behind the other"),
        arrayFunction(
            "ARRAY_DISTINCT", to: .arrayDistinct, [.array], result: first, "Every element once, in the order they come"),
        arrayFunction(
            "ARRAY_EXCEPT", to: .arrayExcept, [.array, .array], result: first, unify: alike,
            "Elements of the first that are not in the second, once for each there"),
        arrayFunction(
            "ARRAY_INTERSECT", to: .arrayIntersect, [.array, .array], result: first, unify: alike,
            "Elements that are in both, once"),
        arrayFunction(
            "ARRAY_UNION", to: .arrayUnion, [.array, .array], result: first, unify: alike,
            "Elements that are in one of them, once"),
        arrayFunction(
            "ARRAY_JOIN", to: .arrayJoin, [.array, .text, .text], optional: 1, result: ResultType.always(.string),
            named: "`STRING`",
            unify: { types in
                guard case .array(let element)? = types.first, element.isCharacter || element == .null else {
                    return nil
                }
                return types
            }, "The texts joined by a delimiter; NULL is left out, or the third argument"),
        arrayFunction(
            "ARRAY_MAX", to: .arrayMax, [.array], result: element, named: "its element", mayBeNull: true,
            "The greatest element"),
        arrayFunction(
            "ARRAY_MIN", to: .arrayMin, [.array], result: element, named: "its element", mayBeNull: true,
            "The least element"),
        arrayFunction(
            "ARRAY_POSITION", to: .arrayPosition, [.array, .any], result: int, named: "`INT`", unify: likeElements,
            "Where the first such element is, from 1; 0 when absent"),
        arrayFunction(
            "ARRAY_REMOVE", to: .arrayRemove, [.array, .any], result: first, unify: likeElements,
            "Without all elements that are equal to the second"),
        arrayFunction("ARRAY_REVERSE", to: .arrayReverse, [.array], result: first, "Backwards"),
        arrayFunction(
            "ARRAY_SLICE", to: .arraySlice, [.array, .integer, .integer], optional: 1, result: first,
            "From a position to another, both within; negative ones count from the end"),
        arrayFunction(
            "ARRAY_SORT", to: .arraySort, [.array, .boolean, .boolean], optional: 2, result: first,
            "Sorted: ascending unless the second is FALSE; NULL first unless descending or the third says"),
        arrayFunction(
            "MAP_KEYS", to: .mapKeys, [.map],
            result: { types in
                if case .map(let key, _)? = types.first { .array(key) } else { .null }
            }, named: "`ARRAY` of keys", "The keys"),
        arrayFunction(
            "MAP_VALUES", to: .mapValues, [.map],
            result: { types in
                if case .map(_, let value)? = types.first { .array(value) } else { .null }
            }, named: "`ARRAY` of values", "The values"),
        arrayFunction(
            "MAP_ENTRIES", to: .mapEntries, [.map],
            result: { types in
                guard case .map(let key, let value)? = types.first else { return .null }
                return .array(.row([Field("key", key), Field("value", value)]))
            }, named: "`ARRAY<ROW<key, value>>`", "The pairs"),
        arrayFunction(
            "MAP_UNION", to: .mapUnion, [.map], variadic: true, result: first, unify: alike,
            "The pairs of all; the last of equal keys wins"),
        arrayFunction(
            "MAP_FROM_ARRAYS", to: .mapFromArrays, [.array, .array],
            result: { types in
                guard types.count == 2, case .array(let key) = types[0], case .array(let value) = types[1] else {
                    return .null
                }
                return .map(key: key, value: value)
            }, named: "`MAP`", "Keys from the first, values from the second; unequal lengths fail the row"),
    ]
}
