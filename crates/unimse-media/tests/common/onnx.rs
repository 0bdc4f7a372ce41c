//! Small ONNX models, written as the bytes of Protocol Buffers (`onnx.proto`), so that what they say of a picture is arithmetic.

/// Element types of `TensorProto.DataType`.
pub(crate) const FLOAT: u64 = 1;
pub(crate) const INT64: u64 = 7;
pub(crate) const BOOL: u64 = 9;

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// A field of bytes, of text or of another message.
pub(crate) fn field(number: u64, content: impl AsRef<[u8]>) -> Vec<u8> {
    let content = content.as_ref();
    [
        varint(number << 3 | 2),
        varint(content.len() as u64),
        content.to_vec(),
    ]
    .concat()
}

/// A field of a whole number.
pub(crate) fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

/// A `TensorProto` of raw bytes.
pub(crate) fn tensor(name: &str, element: u64, dims: &[i64], raw: &[u8]) -> Vec<u8> {
    let dims: Vec<u8> = dims.iter().flat_map(|&dim| number(1, dim as u64)).collect();
    [dims, number(2, element), field(8, name), field(9, raw)].concat()
}

/// One of 32-bit floats.
pub(crate) fn floats(name: &str, dims: &[i64], values: &[f32]) -> Vec<u8> {
    let raw: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    tensor(name, FLOAT, dims, &raw)
}

/// A `ValueInfoProto`; a dimension of -1 is free.
pub(crate) fn info(name: &str, element: u64, dims: &[i64]) -> Vec<u8> {
    let dim = |&dim: &i64| match dim {
        -1 => field(1, field(2, "n")),
        dim => field(1, number(1, dim as u64)),
    };
    let shape: Vec<u8> = dims.iter().flat_map(dim).collect();
    let kind = [number(1, element), field(2, shape)].concat();
    [field(1, name), field(2, field(1, kind))].concat()
}

/// A `NodeProto` of the standard operators, with attributes.
pub(crate) fn node(
    operator: &str,
    inputs: &[&str],
    outputs: &[&str],
    attributes: &[Vec<u8>],
) -> Vec<u8> {
    let inputs = inputs.iter().flat_map(|name| field(1, name));
    let outputs = outputs.iter().flat_map(|name| field(2, name));
    let attributes = attributes.iter().flat_map(|attribute| field(5, attribute));
    let named = inputs.chain(outputs).chain(field(4, operator));
    named.chain(attributes).collect()
}

/// An attribute of whole numbers.
pub(crate) fn numbers(name: &str, values: &[u64]) -> Vec<u8> {
    let values = values.iter().flat_map(|&value| number(8, value));
    field(1, name)
        .into_iter()
        .chain(values)
        .chain(number(20, 7))
        .collect()
}

/// An attribute of one whole number.
pub(crate) fn one(name: &str, value: u64) -> Vec<u8> {
    [field(1, name), number(3, value), number(20, 2)].concat()
}

/// An attribute that is a graph.
pub(crate) fn graph_of(name: &str, graph: &[u8]) -> Vec<u8> {
    [field(1, name), field(6, graph), number(20, 5)].concat()
}

/// What a graph is made of.
#[derive(Clone, Default)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Vec<u8>>,
    pub(crate) tensors: Vec<Vec<u8>>,
    pub(crate) inputs: Vec<Vec<u8>>,
    pub(crate) outputs: Vec<Vec<u8>>,
}

impl Graph {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let all = |number: u64, messages: &[Vec<u8>]| -> Vec<u8> {
            messages
                .iter()
                .flat_map(|message| field(number, message))
                .collect()
        };
        [
            all(1, &self.nodes),
            field(2, "graph"),
            all(5, &self.tensors),
            all(11, &self.inputs),
            all(12, &self.outputs),
        ]
        .concat()
    }

    /// A `ModelProto` of operators of version 13.
    pub(crate) fn model(&self) -> Vec<u8> {
        [
            number(1, 8),
            field(8, number(2, 13)),
            field(7, self.bytes()),
        ]
        .concat()
    }
}

/// The mean of every channel of the picture, times a matrix `[channels, numbers]`: `picture` -> `said`.
pub(crate) fn means(input: &[i64], channels_last: bool, matrix: &[&[f32]]) -> Graph {
    let axes = if channels_last { [1, 2] } else { [2, 3] };
    let count = matrix[0].len() as i64;
    Graph {
        nodes: vec![
            node(
                "ReduceMean",
                &["picture"],
                &["means"],
                &[numbers("axes", &axes), one("keepdims", 0)],
            ),
            node("MatMul", &["means", "matrix"], &["said"], &[]),
        ],
        tensors: vec![floats(
            "matrix",
            &[matrix.len() as i64, count],
            &matrix.concat(),
        )],
        inputs: vec![info("picture", FLOAT, input)],
        outputs: vec![info("said", FLOAT, &[-1, count])],
    }
}

/// The means of a picture of 8 by 8 pixels, times a matrix, after so many rounds of a loop that changes nothing.
pub(crate) fn rounds(count: i64) -> Graph {
    let matrix: &[&[f32]] = &[&[1.0, 0.0], &[0.0, 1.0], &[0.0, 0.0]];
    let mut graph = means(&[1, 3, 8, 8], false, matrix);
    let body = Graph {
        nodes: vec![
            node("Identity", &["go_on"], &["goes_on"], &[]),
            node("Identity", &["before"], &["after"], &[]),
        ],
        inputs: vec![
            info("round", INT64, &[]),
            info("go_on", BOOL, &[]),
            info("before", FLOAT, &[1, 2]),
        ],
        outputs: vec![info("goes_on", BOOL, &[]), info("after", FLOAT, &[1, 2])],
        ..Graph::default()
    };
    let body = graph_of("body", &body.bytes());
    let inputs = ["rounds", "true", "start"];
    graph.nodes[1] = node("MatMul", &["means", "matrix"], &["start"], &[]);
    graph.nodes.push(node("Loop", &inputs, &["said"], &[body]));
    let count = tensor("rounds", INT64, &[], &count.to_le_bytes());
    graph
        .tensors
        .extend([count, tensor("true", BOOL, &[], &[1])]);
    graph
}
